SELECT name, limit_nano, limit_input, limit_output, limit_retries,
       spent_nano, spent_input, spent_output, spent_retries,
       held_nano, held_input, held_output, held_retries,
       calls, opened_at, closed
FROM ledger_scope
WHERE name = :scope
