SELECT * FROM {schema}.ledger_amendment WHERE scope = %(scope)s ORDER BY seq
