SELECT hold.id, hold.purpose, hold.arm,
       hold.held_nano, hold.held_input, hold.held_output, hold.held_retries, hold.at,
       hold.settled_nano, hold.settled_input, hold.settled_output, hold.settled_retries,
       hold.worst_case, hold.settled_at, hold.expires, hold.expired, hold.corrections,
       hold.seq, part.scope, hold.era, scope.window_s
FROM ledger_hold AS hold
JOIN ledger_hold_scope AS part ON part.hold = hold.seq
JOIN ledger_scope AS scope ON scope.name = part.scope
WHERE hold.id = :id
ORDER BY part.position
