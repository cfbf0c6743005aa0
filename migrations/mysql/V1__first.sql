-- State that the log of commands built: one row a thing, by kind and name, its content as JSON.
-- Replicated: written only by applying a command, and part of every snapshot.
CREATE TABLE replicated (
    kind VARCHAR(32)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    id   VARCHAR(300) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    body LONGTEXT     CHARACTER SET utf8mb4 NOT NULL,
    PRIMARY KEY (kind, id)
) ENGINE=InnoDB;

-- How far the log has been applied, and how often this node has begun to lead.
-- Replicated: written in the same transaction as the rows above.
CREATE TABLE progress (
    name  VARCHAR(32) CHARACTER SET ascii NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
) ENGINE=InnoDB;

-- Servers as this node last saw them.
-- Local: may be emptied at any time and fills up again.
CREATE TABLE server (
    host      VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    port      INT UNSIGNED NOT NULL,
    cluster   VARCHAR(300) CHARACTER SET utf8mb4 NOT NULL,
    version   VARCHAR(255) CHARACTER SET utf8mb4,
    source    VARCHAR(300) CHARACTER SET utf8mb4,
    read_only TINYINT,
    seen_ms   BIGINT,
    body      LONGTEXT CHARACTER SET utf8mb4 NOT NULL,
    PRIMARY KEY (host, port)
) ENGINE=InnoDB;

-- Why nothing was done about a failure.
-- Local: purged by age.
CREATE TABLE refusal (
    id      BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    host    VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    port    INT UNSIGNED NOT NULL,
    cluster VARCHAR(300) CHARACTER SET utf8mb4 NOT NULL,
    at_ms   BIGINT NOT NULL,
    body    LONGTEXT CHARACTER SET utf8mb4 NOT NULL,
    KEY refusal_by_server (host, port, at_ms)
) ENGINE=InnoDB;
