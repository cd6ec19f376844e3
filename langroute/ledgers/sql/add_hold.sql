INSERT INTO ledger_hold (id, purpose, arm, held_nano, held_input, held_output, held_retries, at, expires)
VALUES (:id, :purpose, :arm, :nano, :input, :output, :retries, :at, :expires)
ON CONFLICT (id) DO NOTHING
