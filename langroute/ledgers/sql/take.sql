-- Takes only where all of it fits: the other purposes' remaining reserves count as used. Zero always fits. Where there
-- is a window, only after what has left it was retired.
UPDATE ledger_scope
SET held_nano    = held_nano + :nano,
    held_input   = held_input + :input,
    held_output  = held_output + :output,
    held_retries = held_retries + :retries,
    calls        = calls + 1
WHERE name = :scope
  AND NOT closed
  AND (window_s IS NULL OR :advanced)
  AND (:nano = 0 OR limit_nano IS NULL OR :nano <= limit_nano - spent_nano - held_nano - (
          SELECT coalesce(sum(max(0, kept_nano - used_nano)), 0)
          FROM ledger_purpose
          WHERE scope = :scope AND purpose <> :purpose AND kept_nano IS NOT NULL))
  AND (:input = 0 OR limit_input IS NULL OR :input <= limit_input - spent_input - held_input)
  AND (:output = 0 OR limit_output IS NULL OR :output <= limit_output - spent_output - held_output)
  AND (:retries = 0 OR limit_retries IS NULL OR :retries <= limit_retries - spent_retries - held_retries)
