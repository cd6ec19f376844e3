UPDATE {schema}.ledger_scope SET closed = true WHERE name = %(scope)s
