SELECT coalesce(sum(nano), 0), coalesce(sum(input), 0), coalesce(sum(output), 0), coalesce(sum(retries), 0)
FROM ledger_bucket
WHERE scope = :scope AND bucket < :least
