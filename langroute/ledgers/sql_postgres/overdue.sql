SELECT id
FROM {schema}.ledger_hold
WHERE settled_at IS NULL AND expires IS NOT NULL AND expires <= %(at)s
  AND (%(scope)s::text IS NULL OR scopes @> ARRAY[%(scope)s]::text[])
ORDER BY seq
