UPDATE {schema}.ledger_scope
SET limit_nano           = %(limit_nano)s,
    limit_input          = %(limit_input)s,
    limit_output         = %(limit_output)s,
    limit_retries        = %(limit_retries)s,
    kept_general         = %(kept_general)s,
    kept_final_synthesis = %(kept_final_synthesis)s,
    kept_verification    = %(kept_verification)s,
    kept_human_handoff   = %(kept_human_handoff)s,
    reserve_order        = %(reserve_order)s
WHERE name = %(name)s
