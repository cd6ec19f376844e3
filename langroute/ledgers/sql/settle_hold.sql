UPDATE ledger_hold
SET settled_nano    = :nano,
    settled_input   = :input,
    settled_output  = :output,
    settled_retries = :retries,
    worst_case      = :worst_case,
    settled_at      = :at
WHERE seq = :hold AND settled_at IS NULL
