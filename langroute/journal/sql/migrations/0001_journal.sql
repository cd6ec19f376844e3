-- One row per attempt at a step; body is the whole record as JSON (langroute/journal/row.py).
CREATE TABLE journal_record (
    seq      INTEGER PRIMARY KEY,
    id       TEXT NOT NULL UNIQUE,
    episode  TEXT NOT NULL,
    at       REAL,
    body     TEXT NOT NULL
);

CREATE INDEX journal_record_of_episode ON journal_record (episode, seq);

-- touched grows with every row stored for an episode: the newest episode has the largest.
CREATE TABLE journal_episode (
    episode  TEXT PRIMARY KEY,
    touched  INTEGER NOT NULL,
    ending   TEXT
);

CREATE INDEX journal_episode_by_age ON journal_episode (touched);

-- A pool that records chose from: its arms with their prices.
CREATE TABLE journal_pool (
    id    TEXT PRIMARY KEY,
    body  TEXT NOT NULL
);
