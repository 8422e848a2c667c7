-- Reads the log after a position.
--   $1 position (exclusive): bigint, $2 limit: integer → the event's columns, ascending by position
-- Index: events_YYYY_MM_position. Locks: none. Idempotent: reads only.
select e.position, e.created_at, e.event_id, e.aggregate_type, e.aggregate_id, e.version,
    e.event_type, e.schema_version, e."timestamp", e.payload, e.metadata
  from varve.read_after($1::bigint, $2::integer) e
  order by e.position;
