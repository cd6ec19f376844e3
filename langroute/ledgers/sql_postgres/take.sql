-- A hold: all of it from every scope, or nothing. One statement, one transaction, one round trip.
-- Scopes are locked in the order of their names, so that no two holds ever wait for each other, and judged as they are
-- under the lock; whoever comes next waits, and then sees what was taken. Scopes that are opened with the hold are judged
-- as they will be; where somebody else opens one at this very moment, the statement fails as a whole and is tried again.
WITH given AS MATERIALIZED (
    SELECT * FROM json_populate_recordset(NULL::{schema}.ledger_scope, %(opens)s::json)
), locked AS MATERIALIZED (
    SELECT * FROM {schema}.ledger_scope WHERE name = ANY(%(scopes)s::text[]) ORDER BY name FOR NO KEY UPDATE
), fresh AS MATERIALIZED (
    SELECT * FROM given WHERE NOT EXISTS (SELECT 1 FROM locked WHERE locked.name = given.name)
), verdict AS MATERIALIZED (
    SELECT count(*) = cardinality(%(scopes)s::text[]) AND bool_and(
               NOT closed
               AND (window_s IS NULL OR %(advanced)s)
               AND (%(nano)s = 0 OR limit_nano IS NULL OR %(nano)s <= limit_nano - spent_nano - held_nano
                   - CASE %(purpose)s WHEN 'general' THEN 0 ELSE greatest(0, kept_general - used_general) END
                   - CASE %(purpose)s WHEN 'final_synthesis' THEN 0
                          ELSE greatest(0, kept_final_synthesis - used_final_synthesis) END
                   - CASE %(purpose)s WHEN 'verification' THEN 0
                          ELSE greatest(0, kept_verification - used_verification) END
                   - CASE %(purpose)s WHEN 'human_handoff' THEN 0
                          ELSE greatest(0, kept_human_handoff - used_human_handoff) END)
               AND (%(input)s = 0 OR limit_input IS NULL OR %(input)s <= limit_input - spent_input - held_input)
               AND (%(output)s = 0 OR limit_output IS NULL OR %(output)s <= limit_output - spent_output - held_output)
               AND (%(retries)s = 0 OR limit_retries IS NULL
                   OR %(retries)s <= limit_retries - spent_retries - held_retries)
           ) AS fits
    FROM (SELECT * FROM locked UNION ALL SELECT * FROM fresh) AS every
), line AS (
    INSERT INTO {schema}.ledger_hold
        (id, scopes, purpose, arm, held_nano, held_input, held_output, held_retries, at, expires)
    SELECT %(id)s, %(scopes)s, %(purpose)s, %(arm)s, %(nano)s, %(input)s, %(output)s, %(retries)s, %(at)s, %(expires)s
    FROM verdict
    WHERE fits
    ON CONFLICT (id) DO NOTHING
    RETURNING id
), opened AS (
    INSERT INTO {schema}.ledger_scope
        (name, limit_nano, limit_input, limit_output, limit_retries, window_s,
         kept_general, kept_final_synthesis, kept_verification, kept_human_handoff, reserve_order,
         used_general, used_final_synthesis, used_verification, used_human_handoff,
         held_nano, held_input, held_output, held_retries, newest, calls, opened_at)
    SELECT name, limit_nano, limit_input, limit_output, limit_retries, window_s,
           kept_general, kept_final_synthesis, kept_verification, kept_human_handoff, reserve_order,
           CASE %(purpose)s WHEN 'general' THEN %(nano)s ELSE 0 END,
           CASE %(purpose)s WHEN 'final_synthesis' THEN %(nano)s ELSE 0 END,
           CASE %(purpose)s WHEN 'verification' THEN %(nano)s ELSE 0 END,
           CASE %(purpose)s WHEN 'human_handoff' THEN %(nano)s ELSE 0 END,
           %(nano)s, %(input)s, %(output)s, %(retries)s,
           coalesce(floor(%(at)s / (window_s / 60)), 0)::bigint, 1, %(at)s
    FROM fresh, line
    ORDER BY name
    RETURNING *
), taken AS (
    UPDATE {schema}.ledger_scope AS scope
    SET held_nano            = scope.held_nano + %(nano)s,
        held_input           = scope.held_input + %(input)s,
        held_output          = scope.held_output + %(output)s,
        held_retries         = scope.held_retries + %(retries)s,
        used_general         = scope.used_general + CASE %(purpose)s WHEN 'general' THEN %(nano)s ELSE 0 END,
        used_final_synthesis =
            scope.used_final_synthesis + CASE %(purpose)s WHEN 'final_synthesis' THEN %(nano)s ELSE 0 END,
        used_verification    = scope.used_verification + CASE %(purpose)s WHEN 'verification' THEN %(nano)s ELSE 0 END,
        used_human_handoff   = scope.used_human_handoff + CASE %(purpose)s WHEN 'human_handoff' THEN %(nano)s ELSE 0 END,
        calls                = scope.calls + 1
    FROM line
    WHERE scope.name = ANY(%(scopes)s::text[])
    RETURNING scope.*
)
SELECT true AS taken, * FROM taken
UNION ALL
SELECT true, * FROM opened
UNION ALL
SELECT false, * FROM locked WHERE NOT EXISTS (SELECT 1 FROM line)
