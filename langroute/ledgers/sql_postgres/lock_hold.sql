SELECT * FROM {schema}.ledger_hold WHERE id = %(id)s FOR NO KEY UPDATE
