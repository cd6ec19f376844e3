-- The plus keeps the planner on the index of names: prefixes are selective, the order of opening is not.
SELECT scope.*, gone.*
FROM (
    SELECT *
    FROM {schema}.ledger_scope
    WHERE name >= %(prefix)s AND (%(beyond)s::text IS NULL OR name < %(beyond)s::text)
    ORDER BY seq + 0 DESC
    LIMIT %(limit)s
) AS scope,
     LATERAL (
         SELECT coalesce(sum(part.nano), 0)::bigint AS gone_nano, coalesce(sum(part.input), 0)::bigint AS gone_input,
                coalesce(sum(part.output), 0)::bigint AS gone_output,
                coalesce(sum(part.retries), 0)::bigint AS gone_retries
         FROM {schema}.ledger_bucket AS part
         WHERE scope.window_s IS NOT NULL AND part.scope = scope.name AND part.bucket < scope.newest - 60
     ) AS gone
ORDER BY scope.seq DESC
