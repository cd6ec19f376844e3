-- Under its lock: count nothing of what a scope has spent any more; what each purpose uses is what its open holds hold.
WITH held AS (
    SELECT coalesce(sum(held_nano) FILTER (WHERE purpose = 'general'), 0)::bigint AS general,
           coalesce(sum(held_nano) FILTER (WHERE purpose = 'final_synthesis'), 0)::bigint AS final_synthesis,
           coalesce(sum(held_nano) FILTER (WHERE purpose = 'verification'), 0)::bigint AS verification,
           coalesce(sum(held_nano) FILTER (WHERE purpose = 'human_handoff'), 0)::bigint AS human_handoff
    FROM {schema}.ledger_hold
    WHERE scopes @> ARRAY[%(scope)s]::text[] AND settled_at IS NULL
), gone AS (
    DELETE FROM {schema}.ledger_bucket WHERE scope = %(scope)s
)
UPDATE {schema}.ledger_scope AS scope
SET past_nano            = scope.past_nano + scope.spent_nano,
    past_input           = scope.past_input + scope.spent_input,
    past_output          = scope.past_output + scope.spent_output,
    past_retries         = scope.past_retries + scope.spent_retries,
    spent_nano           = 0,
    spent_input          = 0,
    spent_output         = 0,
    spent_retries        = 0,
    used_general         = held.general,
    used_final_synthesis = held.final_synthesis,
    used_verification    = held.verification,
    used_human_handoff   = held.human_handoff,
    era                  = %(era)s
FROM held
WHERE scope.name = %(scope)s
