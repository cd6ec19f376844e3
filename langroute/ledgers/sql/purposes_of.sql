SELECT purpose, kept_nano, used_nano FROM ledger_purpose WHERE scope = :scope ORDER BY seq
