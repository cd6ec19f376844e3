SELECT episode FROM journal_episode AS known
WHERE episode > :after AND (
    :since IS NULL
    OR EXISTS (SELECT 1 FROM journal_record AS found WHERE found.episode = known.episode AND found.at >= :since)
    OR EXISTS (SELECT 1 FROM journal_action AS found WHERE found.episode = known.episode AND found.at >= :since)
)
ORDER BY episode LIMIT :limit
