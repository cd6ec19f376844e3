UPDATE ledger_scope SET closed = 1 WHERE name = :scope
