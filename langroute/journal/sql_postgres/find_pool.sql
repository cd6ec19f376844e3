SELECT body::text FROM {schema}.journal_pool WHERE id = %(id)s
