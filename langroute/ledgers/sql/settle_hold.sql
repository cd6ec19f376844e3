UPDATE ledger_hold
SET settled_nano    = :nano,
    settled_input   = :input,
    settled_output  = :output,
    settled_retries = :retries,
    worst_case      = :worst_case,
    settled_at      = :at,
    expired         = :expired,
    era             = (SELECT coalesce(max(seq), 0) FROM ledger_amendment)
WHERE seq = :hold
