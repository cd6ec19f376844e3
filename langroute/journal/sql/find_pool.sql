SELECT body FROM journal_pool WHERE id = :id
