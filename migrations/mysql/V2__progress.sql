-- Numbers: how far the log has been applied and the last number given to a recovery (replicated, written in the same
-- transaction as the rows); how often this node has begun to lead, and who has opened this backend last (local).
CREATE TABLE IF NOT EXISTS progress (
    name  VARBINARY(32) NOT NULL PRIMARY KEY, -- applied, recovery_id, term, session, checked
    value BIGINT NOT NULL
) ENGINE=InnoDB;
