UPDATE ledger_scope
SET limit_nano = :nano, limit_input = :input, limit_output = :output, limit_retries = :retries
WHERE name = :scope AND NOT closed
