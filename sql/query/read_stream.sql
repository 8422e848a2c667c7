-- Reads events of one stream; see sql/function/read_stream.sql.
--   $1 aggregate type: text, $2 aggregate id: text, $3 from and $4 to version (inclusive):
--     bigint, $5 limit: integer, $6 newest first: boolean, $7 since and $8 until: text of a
--     timestamptz, or null → the event's columns, in the order that was asked for
-- Index: events_YYYY_MM_stream. Locks: none. Idempotent: reads only.
select e.position, e.created_at, e.event_id, e.aggregate_type, e.aggregate_id, e.version,
    e.event_type, e.schema_version, e."timestamp", e.payload, e.metadata
  from varve.read_stream(
    $1, $2, $3::bigint, $4::bigint, $5::integer, $6::boolean, $7::text::timestamptz,
    $8::text::timestamptz
  ) with ordinality e
  order by e.ordinality;
