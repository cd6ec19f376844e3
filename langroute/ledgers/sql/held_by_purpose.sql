SELECT hold.purpose, sum(hold.held_nano)
FROM ledger_hold_scope AS part
JOIN ledger_hold AS hold ON hold.seq = part.hold
WHERE part.scope = :scope AND hold.settled_at IS NULL
GROUP BY hold.purpose
