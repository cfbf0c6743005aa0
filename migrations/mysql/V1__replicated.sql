-- State that the log of commands built: one row a thing, by kind and name, its content as JSON.
-- Replicated: written only by applying a command, and part of every snapshot.
CREATE TABLE IF NOT EXISTS replicated (
    kind VARBINARY(32)  NOT NULL, -- downtime, maintenance, candidate, tags, alias, switch, seed, forgotten, detection, recovery, fence
    id   VARBINARY(767) NOT NULL,
    body LONGTEXT CHARACTER SET utf8mb4 NOT NULL,
    PRIMARY KEY (kind, id)
) ENGINE=InnoDB;
