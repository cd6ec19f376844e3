UPDATE ledger_purpose SET used_nano = used_nano - :held_nano + :nano WHERE scope = :scope AND purpose = :purpose
