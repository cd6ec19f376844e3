INSERT INTO ledger_purpose (scope, purpose, kept_nano) VALUES (:scope, :purpose, :nano)
