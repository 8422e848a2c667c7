-- Reads what subscriptions want of the log after a position, with the head of the same moment.
--   $1 position (exclusive): bigint, $2 limit: integer, $3 event types, $4 aggregate types: text of
--   JSON arrays, or null for all, $5 how many positions to look at: bigint, $6 stored bytes of
--   payloads: bigint
--   → head bigint, found bigint: how many there were before the bytes cut them, and the event's
--   columns and its payload's stored bytes, ascending by position; one row with a null position where there is no event
-- A page has at least one event of those that were found.
-- Index: events_YYYY_MM_position. Locks: none. Idempotent: reads only.
select h.position as head, e.found, e.position, e.created_at, e.event_id, e.aggregate_type,
    e.aggregate_id, e.version, e.event_type, e.schema_version, e."timestamp", e.payload, e.metadata, e.bytes
  from varve.log_head() h
  left join (
    select r.*, count(*) over () as found, pg_column_size(r.payload) as bytes,
        sum(pg_column_size(r.payload)) over (
          order by r.position rows between unbounded preceding and 1 preceding
        ) as bytes_before
      from varve.read_after(
        $1::bigint, $2::integer,
        case when $3::text is not null
          then array(select jsonb_array_elements_text($3::text::jsonb)) end,
        $1::bigint + $5::bigint,
        case when $4::text is not null
          then array(select jsonb_array_elements_text($4::text::jsonb)) end
      ) r
  ) e on coalesce(e.bytes_before, 0) < $6::bigint
  order by e.position;
