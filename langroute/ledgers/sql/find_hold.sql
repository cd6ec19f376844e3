SELECT hold.id, hold.purpose, hold.arm,
       hold.held_nano, hold.held_input, hold.held_output, hold.held_retries, hold.at,
       hold.settled_nano, hold.settled_input, hold.settled_output, hold.settled_retries,
       hold.worst_case, hold.settled_at, hold.seq, part.scope
FROM ledger_hold AS hold
JOIN ledger_hold_scope AS part ON part.hold = hold.seq
WHERE hold.id = :id
ORDER BY part.position
