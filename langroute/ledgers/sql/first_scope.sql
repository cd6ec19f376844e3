SELECT part.scope
FROM ledger_hold AS hold
JOIN ledger_hold_scope AS part ON part.hold = hold.seq AND part.position = 0
WHERE hold.id = :id
