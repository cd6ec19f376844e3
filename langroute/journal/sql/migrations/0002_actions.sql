-- One row per action: what happened to an episode beside its calls. body is the whole action as JSON.
CREATE TABLE journal_action (
    seq      INTEGER PRIMARY KEY,
    id       TEXT NOT NULL UNIQUE,
    episode  TEXT NOT NULL,
    at       REAL,
    body     TEXT NOT NULL
);

CREATE INDEX journal_action_of_episode ON journal_action (episode, seq);
