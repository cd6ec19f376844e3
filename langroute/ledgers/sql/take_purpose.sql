INSERT INTO ledger_purpose (scope, purpose, used_nano) VALUES (:scope, :purpose, :nano)
ON CONFLICT (scope, purpose) DO UPDATE SET used_nano = used_nano + excluded.used_nano
