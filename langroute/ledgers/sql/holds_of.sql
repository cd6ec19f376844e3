SELECT hold.id, hold.purpose, hold.arm,
       hold.held_nano, hold.held_input, hold.held_output, hold.held_retries, hold.at,
       hold.settled_nano, hold.settled_input, hold.settled_output, hold.settled_retries,
       hold.worst_case, hold.settled_at, hold.expires, hold.expired, hold.corrections,
       hold.seq, part.scope
FROM ledger_hold_scope AS mine
JOIN ledger_hold AS hold ON hold.seq = mine.hold
JOIN ledger_hold_scope AS part ON part.hold = hold.seq
WHERE mine.scope = :scope
ORDER BY hold.seq, part.position
