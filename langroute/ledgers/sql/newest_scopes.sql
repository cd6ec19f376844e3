SELECT name FROM ledger_scope ORDER BY seq DESC LIMIT :limit
