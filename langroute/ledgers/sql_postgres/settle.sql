-- Replace an open hold by what was used, in every scope. One statement, one transaction, one round trip: whoever is
-- first locks the hold, then its scopes in the order of their names; whoever comes second finds it settled.
WITH found AS MATERIALIZED (
    SELECT scopes
    FROM {schema}.ledger_hold
    WHERE id = %(id)s AND settled_at IS NULL AND (NOT %(expired)s OR expires <= %(at)s)
    FOR NO KEY UPDATE
), locked AS MATERIALIZED (
    SELECT name, era, greatest(newest, coalesce(floor(%(at)s / (window_s / 60)), 0)::bigint) AS newest, window_s
    FROM {schema}.ledger_scope
    WHERE name = ANY((SELECT scopes FROM found)::text[])
    ORDER BY name
    FOR NO KEY UPDATE
), line AS (
    -- Settled at its worst case where no amount is given.
    UPDATE {schema}.ledger_hold AS hold
    SET settled_nano    = coalesce(%(nano)s, hold.held_nano),
        settled_input   = coalesce(%(input)s, hold.held_input),
        settled_output  = coalesce(%(output)s, hold.held_output),
        settled_retries = coalesce(%(retries)s, hold.held_retries),
        settled_at      = %(at)s,
        worst_case      = %(worst_case)s,
        expired         = %(expired)s,
        era             = newest.era
    FROM (SELECT max(era) AS era FROM locked) AS newest
    WHERE hold.id = %(id)s AND hold.settled_at IS NULL AND newest.era IS NOT NULL
    RETURNING hold.*
), bucketed AS (
    INSERT INTO {schema}.ledger_bucket AS part (scope, bucket, nano, input, output, retries)
    SELECT locked.name, locked.newest, line.settled_nano, line.settled_input, line.settled_output, line.settled_retries
    FROM line, locked
    WHERE locked.window_s IS NOT NULL
    ON CONFLICT (scope, bucket) DO UPDATE
    SET nano    = part.nano + excluded.nano,
        input   = part.input + excluded.input,
        output  = part.output + excluded.output,
        retries = part.retries + excluded.retries
), booked AS (
    UPDATE {schema}.ledger_scope AS scope
    SET held_nano     = scope.held_nano - line.held_nano,
        held_input    = scope.held_input - line.held_input,
        held_output   = scope.held_output - line.held_output,
        held_retries  = scope.held_retries - line.held_retries,
        spent_nano    = scope.spent_nano + line.settled_nano,
        spent_input   = scope.spent_input + line.settled_input,
        spent_output  = scope.spent_output + line.settled_output,
        spent_retries = scope.spent_retries + line.settled_retries,
        used_general  = scope.used_general
            + CASE line.purpose WHEN 'general' THEN line.settled_nano - line.held_nano ELSE 0 END,
        used_final_synthesis = scope.used_final_synthesis
            + CASE line.purpose WHEN 'final_synthesis' THEN line.settled_nano - line.held_nano ELSE 0 END,
        used_verification = scope.used_verification
            + CASE line.purpose WHEN 'verification' THEN line.settled_nano - line.held_nano ELSE 0 END,
        used_human_handoff = scope.used_human_handoff
            + CASE line.purpose WHEN 'human_handoff' THEN line.settled_nano - line.held_nano ELSE 0 END,
        newest        = locked.newest
    FROM line, locked
    WHERE scope.name = locked.name
)
SELECT * FROM line
