INSERT INTO {schema}.ledger_amendment
    (id, scope, at, kind, before, after, forgiven_nano, forgiven_input, forgiven_output, forgiven_retries, reason)
VALUES (%(id)s, %(scope)s, %(at)s, %(kind)s, %(before)s::jsonb, %(after)s::jsonb,
        %(nano)s, %(input)s, %(output)s, %(retries)s, %(reason)s)
RETURNING seq
