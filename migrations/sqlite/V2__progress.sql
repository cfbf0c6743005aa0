-- Numbers: how far the log has been applied and the last number given to a recovery (replicated, written in the same
-- transaction as the rows); how often this node has begun to lead, and who has opened this backend last (local).
CREATE TABLE progress (
    name  TEXT    NOT NULL PRIMARY KEY, -- applied, recovery_id, term, session, checked
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
