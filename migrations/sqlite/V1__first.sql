-- State that the log of commands built: one row a thing, by kind and name, its content as JSON.
-- Replicated: written only by applying a command, and part of every snapshot.
CREATE TABLE replicated (
    kind TEXT NOT NULL, -- downtime, maintenance, candidate, tags, alias, switch, seed, forgotten, detection, recovery, fence
    id   TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- How far the log has been applied, and how often this node has begun to lead.
-- Replicated: written in the same transaction as the rows above.
CREATE TABLE progress (
    name  TEXT    NOT NULL PRIMARY KEY, -- applied, term
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Servers as this node last saw them.
-- Local: may be emptied at any time and fills up again.
CREATE TABLE server (
    host      TEXT    NOT NULL,
    port      INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
    cluster   TEXT    NOT NULL,
    version   TEXT,
    source    TEXT,
    read_only INTEGER,
    seen_ms   INTEGER, -- milliseconds since the epoch
    body      TEXT    NOT NULL,
    PRIMARY KEY (host, port)
) STRICT, WITHOUT ROWID;

-- Why nothing was done about a failure.
-- Local: purged by age.
CREATE TABLE refusal (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    host    TEXT    NOT NULL,
    port    INTEGER NOT NULL,
    cluster TEXT    NOT NULL,
    at_ms   INTEGER NOT NULL, -- milliseconds since the epoch
    body    TEXT    NOT NULL
) STRICT;
CREATE INDEX refusal_by_server ON refusal (host, port, at_ms);
