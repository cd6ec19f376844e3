SELECT body FROM journal_record WHERE episode = :episode ORDER BY seq
