INSERT INTO ledger_hold_scope (hold, position, scope) VALUES (:hold, :position, :scope)
