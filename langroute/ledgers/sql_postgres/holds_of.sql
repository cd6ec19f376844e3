SELECT * FROM {schema}.ledger_hold WHERE scopes @> ARRAY[%(scope)s]::text[] ORDER BY seq
