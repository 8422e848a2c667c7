-- Reads a page of the log after a position, with the head of the same moment.
--   $1 position (exclusive): bigint, $2 limit: integer, $3 event types: text of a JSON array, or
--   null for all, $4 how many positions to look at: bigint, $5 bytes of payloads: bigint
--   → head bigint, found bigint: how many events there were before the bytes cut them, and the
--   event's columns, ascending by position; one row with a null position where there is no event
-- A page has at least one event of those that were found. It is cut by its stored size first, which
-- is known without reading large payloads, then by that of its text.
-- Index: events_YYYY_MM_position. Locks: none. Idempotent: reads only.
select h.position as head, e.found, e.position, e.created_at, e.event_id, e.aggregate_type,
    e.aggregate_id, e.version, e.event_type, e.schema_version, e."timestamp", e.payload, e.metadata
  from varve.log_head() h
  left join (
    select s.*, sum(octet_length(s.payload::text)) over before_it as text_before
      from (
        select r.*, count(*) over () as found,
            sum(pg_column_size(r.payload)) over before_it as stored_before
          from varve.read_after(
            $1::bigint, $2::integer,
            case when $3::text is not null
              then array(select jsonb_array_elements_text($3::text::jsonb)) end,
            $1::bigint + $4::bigint
          ) r
          window before_it as (order by r.position rows between unbounded preceding and 1 preceding)
      ) s
      where coalesce(s.stored_before, 0) < $5::bigint
      window before_it as (order by s.position rows between unbounded preceding and 1 preceding)
  ) e on coalesce(e.text_before, 0) < $5::bigint
  order by e.position;
