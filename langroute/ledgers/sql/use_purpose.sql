UPDATE ledger_purpose SET used_nano = :used WHERE scope = :scope AND purpose = :purpose
