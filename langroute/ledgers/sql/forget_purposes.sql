DELETE FROM ledger_purpose WHERE scope = :scope
