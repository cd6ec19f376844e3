-- The books as they are at a time: what has left the window by then is told apart.
SELECT scope.*, gone.*
FROM {schema}.ledger_scope AS scope,
     LATERAL (
         SELECT coalesce(sum(part.nano), 0)::bigint AS gone_nano, coalesce(sum(part.input), 0)::bigint AS gone_input,
                coalesce(sum(part.output), 0)::bigint AS gone_output,
                coalesce(sum(part.retries), 0)::bigint AS gone_retries
         FROM {schema}.ledger_bucket AS part
         WHERE scope.window_s IS NOT NULL AND part.scope = scope.name
           AND part.bucket < greatest(scope.newest, floor(%(at)s::float8 / (scope.window_s / 60))::bigint) - 60
     ) AS gone
WHERE scope.name = %(scope)s
