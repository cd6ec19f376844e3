UPDATE {schema}.ledger_hold AS hold
SET settled_nano    = %(nano)s,
    settled_input   = %(input)s,
    settled_output  = %(output)s,
    settled_retries = %(retries)s,
    settled_at      = %(at)s,
    worst_case      = %(worst_case)s,
    era             = %(era)s,
    corrections     = %(corrections)s::jsonb
WHERE id = %(id)s
RETURNING hold.*
