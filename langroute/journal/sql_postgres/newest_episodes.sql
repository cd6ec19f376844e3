SELECT episode FROM {schema}.journal_episode ORDER BY touched DESC LIMIT %(limit)s
