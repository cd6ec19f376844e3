-- One row per attempt at a step; body is the whole record as JSON (langroute/journal/row.py). Of the type json, not
-- jsonb, which would lose the bytes: field order, exact numbers and characters that are no Unicode text.
CREATE TABLE {schema}.journal_record (
    seq      bigint GENERATED ALWAYS AS IDENTITY,
    id       text COLLATE "C" PRIMARY KEY,
    episode  text COLLATE "C" NOT NULL,
    at       double precision,
    body     json NOT NULL
);

CREATE INDEX journal_record_of_episode ON {schema}.journal_record (episode, seq);

-- One row per action: what happened to an episode beside its calls.
CREATE TABLE {schema}.journal_action (
    seq      bigint GENERATED ALWAYS AS IDENTITY,
    id       text COLLATE "C" PRIMARY KEY,
    episode  text COLLATE "C" NOT NULL,
    at       double precision,
    body     json NOT NULL
);

CREATE INDEX journal_action_of_episode ON {schema}.journal_action (episode, seq);

-- touched grows with every row stored for an episode: the newest episode has the largest. A batch of rows takes one
-- step of the sequence and numbers its episodes within that.
CREATE TABLE {schema}.journal_episode (
    episode  text COLLATE "C" PRIMARY KEY,
    touched  bigint NOT NULL,
    ending   json
);

CREATE INDEX journal_episode_by_age ON {schema}.journal_episode (touched);

CREATE SEQUENCE {schema}.journal_batch INCREMENT BY 1000000;

-- A pool that records chose from: its arms with their prices.
CREATE TABLE {schema}.journal_pool (
    id    text COLLATE "C" PRIMARY KEY,
    body  json NOT NULL
);
