INSERT INTO {schema}.ledger_scope
    (name, limit_nano, limit_input, limit_output, limit_retries, window_s,
     kept_general, kept_final_synthesis, kept_verification, kept_human_handoff, reserve_order, opened_at)
VALUES (%(name)s, %(limit_nano)s, %(limit_input)s, %(limit_output)s, %(limit_retries)s, %(window_s)s,
        %(kept_general)s, %(kept_final_synthesis)s, %(kept_verification)s, %(kept_human_handoff)s, %(reserve_order)s,
        %(at)s)
ON CONFLICT (name) DO NOTHING
