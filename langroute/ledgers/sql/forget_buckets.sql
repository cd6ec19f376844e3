DELETE FROM ledger_bucket WHERE scope = :scope AND bucket < :least
