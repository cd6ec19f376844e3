SELECT scope, at, kind, before, after, forgiven, reason FROM ledger_amendment WHERE scope = :scope ORDER BY seq
