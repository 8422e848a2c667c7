-- Reads events of one stream.
--   $1 aggregate type: text, $2 aggregate id: text, $3 from and $4 to version (inclusive):
--     bigint, $5 limit: integer → the event's columns, ascending by version
-- Index: events_YYYY_MM_stream. Locks: none. Idempotent: reads only.
select e.position, e.created_at, e.event_id, e.aggregate_type, e.aggregate_id, e.version,
    e.event_type, e.schema_version, e."timestamp", e.payload, e.metadata
  from varve.read_stream($1, $2, $3::bigint, $4::bigint, $5::integer) e
  order by e.version;
