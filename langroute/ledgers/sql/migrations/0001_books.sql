-- The books. Money is nano-dollars, time epoch seconds, NULL in a limit means unlimited.
-- The typeof checks keep a sum that outgrew 64 bits from turning into an inexact float.
CREATE TABLE ledger_scope (
    seq            INTEGER PRIMARY KEY,
    name           TEXT    NOT NULL UNIQUE,
    limit_nano     INTEGER,
    limit_input    INTEGER,
    limit_output   INTEGER,
    limit_retries  INTEGER,
    spent_nano     INTEGER NOT NULL DEFAULT 0 CHECK (typeof(spent_nano) = 'integer'),
    spent_input    INTEGER NOT NULL DEFAULT 0 CHECK (typeof(spent_input) = 'integer'),
    spent_output   INTEGER NOT NULL DEFAULT 0 CHECK (typeof(spent_output) = 'integer'),
    spent_retries  INTEGER NOT NULL DEFAULT 0 CHECK (typeof(spent_retries) = 'integer'),
    held_nano      INTEGER NOT NULL DEFAULT 0 CHECK (typeof(held_nano) = 'integer'),
    held_input     INTEGER NOT NULL DEFAULT 0 CHECK (typeof(held_input) = 'integer'),
    held_output    INTEGER NOT NULL DEFAULT 0 CHECK (typeof(held_output) = 'integer'),
    held_retries   INTEGER NOT NULL DEFAULT 0 CHECK (typeof(held_retries) = 'integer'),
    calls          INTEGER NOT NULL DEFAULT 0,
    opened_at      REAL    NOT NULL,
    closed         INTEGER NOT NULL DEFAULT 0
);

-- What each purpose of a scope keeps (NULL: no reserve) and has spent or holds. Row order is the order of the reserves.
CREATE TABLE ledger_purpose (
    seq        INTEGER PRIMARY KEY,
    scope      TEXT    NOT NULL,
    purpose    TEXT    NOT NULL,
    kept_nano  INTEGER,
    used_nano  INTEGER NOT NULL DEFAULT 0 CHECK (typeof(used_nano) = 'integer'),
    UNIQUE (scope, purpose)
);

-- One row per hold, for ever; settled_at is NULL while it is open.
CREATE TABLE ledger_hold (
    seq              INTEGER PRIMARY KEY,
    id               TEXT    NOT NULL UNIQUE,
    purpose          TEXT    NOT NULL,
    arm              TEXT    NOT NULL,
    held_nano        INTEGER NOT NULL,
    held_input       INTEGER NOT NULL,
    held_output      INTEGER NOT NULL,
    held_retries     INTEGER NOT NULL,
    at               REAL    NOT NULL,
    settled_nano     INTEGER,
    settled_input    INTEGER,
    settled_output   INTEGER,
    settled_retries  INTEGER,
    worst_case       INTEGER NOT NULL DEFAULT 0,
    settled_at       REAL
);

CREATE TABLE ledger_hold_scope (
    hold      INTEGER NOT NULL,
    position  INTEGER NOT NULL,
    scope     TEXT    NOT NULL,
    PRIMARY KEY (hold, position)
) WITHOUT ROWID;

CREATE INDEX ledger_hold_of_scope ON ledger_hold_scope (scope, hold);
