-- Why nothing was done about a failure.
-- Local: purged by age.
CREATE TABLE IF NOT EXISTS refusal (
    id      BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    host    VARBINARY(255) NOT NULL,
    port    INT UNSIGNED NOT NULL,
    cluster VARBINARY(767) NOT NULL,
    at_ms   BIGINT NOT NULL, -- milliseconds since the epoch
    body    LONGTEXT CHARACTER SET utf8mb4 NOT NULL,
    KEY refusal_by_server (host, port, at_ms),
    KEY refusal_by_time (at_ms)
) ENGINE=InnoDB;
