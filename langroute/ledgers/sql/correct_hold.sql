UPDATE ledger_hold
SET settled_nano    = :nano,
    settled_input   = :input,
    settled_output  = :output,
    settled_retries = :retries,
    worst_case      = 0,
    corrections     = :corrections
WHERE seq = :hold
