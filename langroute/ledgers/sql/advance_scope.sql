UPDATE ledger_scope SET newest = :newest WHERE name = :scope
