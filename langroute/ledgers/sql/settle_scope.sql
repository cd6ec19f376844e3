UPDATE ledger_scope
SET held_nano     = held_nano - :held_nano,
    held_input    = held_input - :held_input,
    held_output   = held_output - :held_output,
    held_retries  = held_retries - :held_retries,
    spent_nano    = spent_nano + :nano,
    spent_input   = spent_input + :input,
    spent_output  = spent_output + :output,
    spent_retries = spent_retries + :retries
WHERE name = :scope
