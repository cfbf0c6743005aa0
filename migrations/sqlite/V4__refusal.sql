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
CREATE INDEX refusal_by_time ON refusal (at_ms);
