-- What later statements of the transaction read of these scopes is what stays true until it ends.
SELECT * FROM {schema}.ledger_scope WHERE name = ANY(%(scopes)s::text[]) ORDER BY name FOR NO KEY UPDATE
