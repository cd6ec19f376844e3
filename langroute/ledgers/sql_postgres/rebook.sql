-- Under their locks: take back, in each scope, from where a line was booked, and book more now. What has left the window
-- or was forgiven since no longer counts: it is taken back from the past.
WITH part AS MATERIALIZED (
    SELECT name, window_s, ahead.newest, was.bucket AS bucket,
           %(era)s >= era AND (window_s IS NULL OR was.bucket >= ahead.newest - 60) AS counts
    FROM {schema}.ledger_scope,
         LATERAL (SELECT greatest(newest, coalesce(floor(%(at)s / (window_s / 60)), 0)::bigint) AS newest) AS ahead,
         LATERAL (SELECT floor(%(booked)s / (window_s / 60))::bigint AS bucket) AS was
    WHERE name = ANY(%(scopes)s::text[])
), moved AS (
    SELECT name, bucket, -%(back_nano)s AS nano, -%(back_input)s AS input,
           -%(back_output)s AS output, -%(back_retries)s AS retries
    FROM part WHERE window_s IS NOT NULL AND counts
    UNION ALL
    SELECT name, newest, %(more_nano)s, %(more_input)s, %(more_output)s, %(more_retries)s
    FROM part WHERE window_s IS NOT NULL
), bucketed AS (
    INSERT INTO {schema}.ledger_bucket AS part (scope, bucket, nano, input, output, retries)
    SELECT name, bucket, sum(nano)::bigint, sum(input)::bigint, sum(output)::bigint, sum(retries)::bigint
    FROM moved
    GROUP BY name, bucket
    ON CONFLICT (scope, bucket) DO UPDATE
    SET nano    = part.nano + excluded.nano,
        input   = part.input + excluded.input,
        output  = part.output + excluded.output,
        retries = part.retries + excluded.retries
), change AS (
    SELECT name, newest,
           CASE WHEN counts THEN %(back_nano)s ELSE 0 END AS back_nano,
           CASE WHEN counts THEN %(back_input)s ELSE 0 END AS back_input,
           CASE WHEN counts THEN %(back_output)s ELSE 0 END AS back_output,
           CASE WHEN counts THEN %(back_retries)s ELSE 0 END AS back_retries
    FROM part
)
UPDATE {schema}.ledger_scope AS scope
SET spent_nano    = scope.spent_nano + %(more_nano)s - change.back_nano,
    spent_input   = scope.spent_input + %(more_input)s - change.back_input,
    spent_output  = scope.spent_output + %(more_output)s - change.back_output,
    spent_retries = scope.spent_retries + %(more_retries)s - change.back_retries,
    past_nano     = scope.past_nano - (%(back_nano)s - change.back_nano),
    past_input    = scope.past_input - (%(back_input)s - change.back_input),
    past_output   = scope.past_output - (%(back_output)s - change.back_output),
    past_retries  = scope.past_retries - (%(back_retries)s - change.back_retries),
    used_general  = scope.used_general
        + CASE %(purpose)s WHEN 'general' THEN %(more_nano)s - change.back_nano ELSE 0 END,
    used_final_synthesis = scope.used_final_synthesis
        + CASE %(purpose)s WHEN 'final_synthesis' THEN %(more_nano)s - change.back_nano ELSE 0 END,
    used_verification = scope.used_verification
        + CASE %(purpose)s WHEN 'verification' THEN %(more_nano)s - change.back_nano ELSE 0 END,
    used_human_handoff = scope.used_human_handoff
        + CASE %(purpose)s WHEN 'human_handoff' THEN %(more_nano)s - change.back_nano ELSE 0 END,
    newest        = change.newest
FROM change
WHERE scope.name = change.name
