-- Servers as this node last saw them.
-- Local: may be emptied at any time and fills up again.
CREATE TABLE IF NOT EXISTS server (
    host      VARBINARY(255) NOT NULL,
    port      INT UNSIGNED NOT NULL,
    cluster   VARBINARY(767) NOT NULL,
    version   VARCHAR(255) CHARACTER SET utf8mb4,
    source    VARBINARY(767),
    read_only TINYINT,
    seen_ms   BIGINT, -- milliseconds since the epoch
    body      LONGTEXT CHARACTER SET utf8mb4 NOT NULL,
    PRIMARY KEY (host, port)
) ENGINE=InnoDB;
