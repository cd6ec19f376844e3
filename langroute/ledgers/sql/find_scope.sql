SELECT scope.name, scope.limit_nano, scope.limit_input, scope.limit_output, scope.limit_retries,
       scope.spent_nano, scope.spent_input, scope.spent_output, scope.spent_retries,
       scope.held_nano, scope.held_input, scope.held_output, scope.held_retries,
       scope.calls, scope.opened_at, scope.closed,
       scope.window_s, scope.past_nano, scope.past_input, scope.past_output, scope.past_retries, scope.newest,
       part.purpose, part.kept_nano, part.used_nano
FROM ledger_scope AS scope
LEFT JOIN ledger_purpose AS part ON part.scope = scope.name
WHERE scope.name = :scope
ORDER BY part.seq
