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
