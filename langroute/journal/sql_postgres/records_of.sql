SELECT body::text FROM {schema}.journal_record WHERE episode = %(episode)s ORDER BY seq
