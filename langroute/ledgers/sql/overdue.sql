SELECT hold.id
FROM ledger_hold AS hold
WHERE hold.settled_at IS NULL AND hold.expires IS NOT NULL AND hold.expires <= :at
  AND (:scope IS NULL OR EXISTS (SELECT 1 FROM ledger_hold_scope WHERE hold = hold.seq AND scope = :scope))
ORDER BY hold.seq
