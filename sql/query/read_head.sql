-- Reads the last position of the log.
--   no parameters → position bigint, 0 before the first event
-- Index: events_YYYY_MM_position, one row. Locks: none. Idempotent: reads only.
select h.position from varve.log_head() h;
