SELECT * FROM {schema}.ledger_hold WHERE id = %(id)s
