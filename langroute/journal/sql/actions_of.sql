SELECT body FROM journal_action WHERE episode = :episode ORDER BY seq
