-- State that the log of commands built: one row a thing, by kind and name, its content as JSON.
-- Replicated: written only by applying a command, and part of every snapshot.
CREATE TABLE replicated (
    kind TEXT NOT NULL, -- downtime, maintenance, candidate, tags, alias, switch, seed, forgotten, detection, recovery, fence
    id   TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
