INSERT INTO ledger_amendment (scope, at, kind, before, after, forgiven, reason)
VALUES (:scope, :at, :kind, :before, :after, :forgiven, :reason)
