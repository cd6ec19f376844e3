-- Under their locks: bring scopes with a window to a time, and take out of the count what has left it by then.
WITH due AS MATERIALIZED (
    SELECT name, greatest(newest, floor(%(at)s / (window_s / 60))::bigint) AS newest
    FROM {schema}.ledger_scope
    WHERE name = ANY(%(scopes)s::text[]) AND window_s IS NOT NULL
), gone AS (
    DELETE FROM {schema}.ledger_bucket AS part
    USING due
    WHERE part.scope = due.name AND part.bucket < due.newest - 60
    RETURNING part.*
), sums AS (
    SELECT due.name, due.newest,
           coalesce(sum(gone.nano), 0)::bigint AS nano, coalesce(sum(gone.input), 0)::bigint AS input,
           coalesce(sum(gone.output), 0)::bigint AS output, coalesce(sum(gone.retries), 0)::bigint AS retries
    FROM due LEFT JOIN gone ON gone.scope = due.name
    GROUP BY due.name, due.newest
)
UPDATE {schema}.ledger_scope AS scope
SET newest        = sums.newest,
    spent_nano    = scope.spent_nano - sums.nano,
    spent_input   = scope.spent_input - sums.input,
    spent_output  = scope.spent_output - sums.output,
    spent_retries = scope.spent_retries - sums.retries,
    past_nano     = scope.past_nano + sums.nano,
    past_input    = scope.past_input + sums.input,
    past_output   = scope.past_output + sums.output,
    past_retries  = scope.past_retries + sums.retries
FROM sums
WHERE scope.name = sums.name AND (scope.newest <> sums.newest OR sums.nano <> 0 OR sums.input <> 0
                                  OR sums.output <> 0 OR sums.retries <> 0)
