INSERT INTO ledger_scope (name, limit_nano, limit_input, limit_output, limit_retries, window_s, opened_at)
VALUES (:scope, :nano, :input, :output, :retries, :window_s, :at)
ON CONFLICT (name) DO NOTHING
