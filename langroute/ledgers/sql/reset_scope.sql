UPDATE ledger_scope SET era = :era WHERE name = :scope
