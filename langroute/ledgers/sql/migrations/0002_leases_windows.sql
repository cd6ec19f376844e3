-- Limits in a rolling window, what no longer counts, leases, corrections and the changes of budgets.
-- A window is in seconds, NULL where there is none; newest is the newest bucket (a sixtieth of the window) seen.
-- An era is the number of amendments there were: at a scope's last reset, and when a hold was settled.
ALTER TABLE ledger_scope ADD COLUMN window_s     REAL;
ALTER TABLE ledger_scope ADD COLUMN past_nano    INTEGER NOT NULL DEFAULT 0 CHECK (typeof(past_nano) = 'integer');
ALTER TABLE ledger_scope ADD COLUMN past_input   INTEGER NOT NULL DEFAULT 0 CHECK (typeof(past_input) = 'integer');
ALTER TABLE ledger_scope ADD COLUMN past_output  INTEGER NOT NULL DEFAULT 0 CHECK (typeof(past_output) = 'integer');
ALTER TABLE ledger_scope ADD COLUMN past_retries INTEGER NOT NULL DEFAULT 0 CHECK (typeof(past_retries) = 'integer');
ALTER TABLE ledger_scope ADD COLUMN newest       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger_scope ADD COLUMN era          INTEGER NOT NULL DEFAULT 0;

-- Corrections are a JSON list of [at, [nano, input, output, retries] before it, reason].
ALTER TABLE ledger_hold ADD COLUMN expires      REAL;
ALTER TABLE ledger_hold ADD COLUMN expired      INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger_hold ADD COLUMN corrections  TEXT;
ALTER TABLE ledger_hold ADD COLUMN era          INTEGER NOT NULL DEFAULT 0;

CREATE INDEX ledger_hold_leased ON ledger_hold (expires) WHERE settled_at IS NULL AND expires IS NOT NULL;

-- What was settled in a bucket of a window and still counts.
CREATE TABLE ledger_bucket (
    scope    TEXT    NOT NULL,
    bucket   INTEGER NOT NULL,
    nano     INTEGER NOT NULL,
    input    INTEGER NOT NULL,
    output   INTEGER NOT NULL,
    retries  INTEGER NOT NULL,
    PRIMARY KEY (scope, bucket)
) WITHOUT ROWID;

-- Every change of a budget; before, after and forgiven are JSON.
CREATE TABLE ledger_amendment (
    seq       INTEGER PRIMARY KEY,
    scope     TEXT NOT NULL,
    at        REAL NOT NULL,
    kind      TEXT NOT NULL,
    before    TEXT NOT NULL,
    after     TEXT NOT NULL,
    forgiven  TEXT NOT NULL,
    reason    TEXT NOT NULL
);

CREATE INDEX ledger_amendment_of_scope ON ledger_amendment (scope);
