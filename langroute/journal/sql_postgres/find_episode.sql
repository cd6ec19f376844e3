SELECT ending::text FROM {schema}.journal_episode WHERE episode = %(episode)s
