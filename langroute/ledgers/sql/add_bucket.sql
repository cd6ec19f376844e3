INSERT INTO ledger_bucket (scope, bucket, nano, input, output, retries)
VALUES (:scope, :bucket, :nano, :input, :output, :retries)
ON CONFLICT (scope, bucket) DO UPDATE
SET nano    = nano + excluded.nano,
    input   = input + excluded.input,
    output  = output + excluded.output,
    retries = retries + excluded.retries
