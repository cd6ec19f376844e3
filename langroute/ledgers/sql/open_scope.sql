INSERT INTO ledger_scope (name, limit_nano, limit_input, limit_output, limit_retries, opened_at)
VALUES (:scope, :nano, :input, :output, :retries, :at)
ON CONFLICT (name) DO NOTHING
