SELECT episode FROM {schema}.journal_episode AS known
WHERE episode > %(after)s AND (
    %(since)s::double precision IS NULL
    OR EXISTS (
        SELECT 1 FROM {schema}.journal_record AS found
        WHERE found.episode = known.episode AND found.at >= %(since)s::double precision
    )
    OR EXISTS (
        SELECT 1 FROM {schema}.journal_action AS found
        WHERE found.episode = known.episode AND found.at >= %(since)s::double precision
    )
)
ORDER BY episode LIMIT %(limit)s
