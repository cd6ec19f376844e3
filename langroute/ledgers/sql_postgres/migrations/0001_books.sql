-- The books. Money is nano-dollars, time epoch seconds, NULL in a limit means unlimited. Names sort by their bytes.
-- Rows of ledger_scope change all the time, and only in columns without an index: the free space keeps them in place.
CREATE TABLE {schema}.ledger_scope (
    seq                   bigint GENERATED ALWAYS AS IDENTITY,
    name                  text COLLATE "C" PRIMARY KEY,
    limit_nano            bigint,
    limit_input           bigint,
    limit_output          bigint,
    limit_retries         bigint,
    window_s              double precision,
    -- What is kept for each purpose (NULL: no reserve); the order in which the limits named them, with commas between.
    kept_general          bigint,
    kept_final_synthesis  bigint,
    kept_verification     bigint,
    kept_human_handoff    bigint,
    reserve_order         text    NOT NULL DEFAULT '',
    -- What each purpose has spent or holds.
    used_general          bigint  NOT NULL DEFAULT 0,
    used_final_synthesis  bigint  NOT NULL DEFAULT 0,
    used_verification     bigint  NOT NULL DEFAULT 0,
    used_human_handoff    bigint  NOT NULL DEFAULT 0,
    -- In a scope with a window, spent still has what left it since the last hold: ledger_bucket tells how much.
    spent_nano            bigint  NOT NULL DEFAULT 0,
    spent_input           bigint  NOT NULL DEFAULT 0,
    spent_output          bigint  NOT NULL DEFAULT 0,
    spent_retries         bigint  NOT NULL DEFAULT 0,
    held_nano             bigint  NOT NULL DEFAULT 0,
    held_input            bigint  NOT NULL DEFAULT 0,
    held_output           bigint  NOT NULL DEFAULT 0,
    held_retries          bigint  NOT NULL DEFAULT 0,
    past_nano             bigint  NOT NULL DEFAULT 0,
    past_input            bigint  NOT NULL DEFAULT 0,
    past_output           bigint  NOT NULL DEFAULT 0,
    past_retries          bigint  NOT NULL DEFAULT 0,
    -- The newest bucket of the window that a hold or settlement has brought; it never goes back.
    newest                bigint  NOT NULL DEFAULT 0,
    -- seq of the amendment that reset the scope last; lines with a lower era are forgiven here.
    era                   bigint  NOT NULL DEFAULT 0,
    calls                 bigint  NOT NULL DEFAULT 0,
    opened_at             double precision NOT NULL,
    closed                boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

-- What was settled in each bucket of a window, as long as it counts.
CREATE TABLE {schema}.ledger_bucket (
    scope    text COLLATE "C" NOT NULL,
    bucket   bigint NOT NULL,
    nano     bigint NOT NULL,
    input    bigint NOT NULL,
    output   bigint NOT NULL,
    retries  bigint NOT NULL,
    PRIMARY KEY (scope, bucket)
) WITH (fillfactor = 50);

-- One row per hold, for ever; settled_at is NULL while it is open.
CREATE TABLE {schema}.ledger_hold (
    seq              bigint GENERATED ALWAYS AS IDENTITY,
    id               text COLLATE "C" PRIMARY KEY,
    scopes           text[]  NOT NULL,
    purpose          text    NOT NULL,
    arm              text    NOT NULL,
    held_nano        bigint  NOT NULL,
    held_input       bigint  NOT NULL,
    held_output      bigint  NOT NULL,
    held_retries     bigint  NOT NULL,
    at               double precision NOT NULL,
    expires          double precision,
    settled_nano     bigint,
    settled_input    bigint,
    settled_output   bigint,
    settled_retries  bigint,
    settled_at       double precision,
    worst_case       boolean NOT NULL DEFAULT false,
    expired          boolean NOT NULL DEFAULT false,
    -- The newest era of its scopes when it was settled.
    era              bigint  NOT NULL DEFAULT 0,
    corrections      jsonb   NOT NULL DEFAULT '[]'
) WITH (fillfactor = 70);

CREATE INDEX ledger_hold_of_scope ON {schema}.ledger_hold USING gin (scopes) WITH (fastupdate = off);

CREATE INDEX ledger_hold_overdue ON {schema}.ledger_hold (expires) WHERE settled_at IS NULL AND expires IS NOT NULL;

-- Changes of a scope's budget. id is the caller's own, so that none is recorded twice when an answer was lost.
CREATE TABLE {schema}.ledger_amendment (
    seq               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id                text   NOT NULL UNIQUE,
    scope             text COLLATE "C" NOT NULL,
    at                double precision NOT NULL,
    kind              text   NOT NULL,
    before            jsonb  NOT NULL,
    after             jsonb  NOT NULL,
    forgiven_nano     bigint NOT NULL,
    forgiven_input    bigint NOT NULL,
    forgiven_output   bigint NOT NULL,
    forgiven_retries  bigint NOT NULL,
    reason            text   NOT NULL
);

CREATE INDEX ledger_amendment_of_scope ON {schema}.ledger_amendment (scope, seq);
