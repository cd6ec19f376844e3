INSERT INTO {schema}.journal_pool (id, body)
SELECT id, body::json FROM unnest(%(ids)s::text[], %(bodies)s::text[]) AS given (id, body)
ORDER BY id
ON CONFLICT (id) DO NOTHING
