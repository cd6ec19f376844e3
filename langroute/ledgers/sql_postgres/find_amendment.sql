SELECT seq FROM {schema}.ledger_amendment WHERE id = %(id)s
