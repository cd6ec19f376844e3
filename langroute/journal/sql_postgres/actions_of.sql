SELECT body::text FROM {schema}.journal_action WHERE episode = %(episode)s ORDER BY seq
