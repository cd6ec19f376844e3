SELECT window_s, newest, era FROM ledger_scope WHERE name = :scope
