INSERT INTO ledger_purpose (scope, purpose, kept_nano, used_nano) VALUES (:scope, :purpose, :kept, :used)
