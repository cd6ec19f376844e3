-- Moves between what counts and what no longer does.
UPDATE ledger_scope
SET spent_nano    = spent_nano + :nano,
    spent_input   = spent_input + :input,
    spent_output  = spent_output + :output,
    spent_retries = spent_retries + :retries,
    past_nano     = past_nano + :past_nano,
    past_input    = past_input + :past_input,
    past_output   = past_output + :past_output,
    past_retries  = past_retries + :past_retries
WHERE name = :scope
