-- Reads a page of one stream, with its version and the head of the log of the same moment.
--   $1 aggregate type: text, $2 aggregate id: text, $3 from and $4 to version (inclusive):
--     bigint, $5 limit: integer, $6 newest first: boolean, $7 since and $8 until: text of a
--     timestamptz, or null, $9 bytes of payloads: bigint
--   → head bigint, stream_version bigint, found bigint: how many events there were before the bytes
--   cut them, and the event's columns, in the order that was asked for; one row with a null position
--   where no event fits, none where there is no such stream
-- A page has at least one event of those that fit. It is cut by its stored size first, which is
-- known without reading large payloads, then by that of its text.
-- Index: streams_pkey, events_YYYY_MM_stream. Locks: none. Idempotent: reads only.
select h.position as head, w.version as stream_version, e.found, e.position, e.created_at,
    e.event_id, e.aggregate_type, e.aggregate_id, e.version, e.event_type, e.schema_version,
    e."timestamp", e.payload, e.metadata
  from varve.streams w
  cross join varve.log_head() h
  left join (
    select s.*, sum(octet_length(s.payload::text)) over before_it as text_before
      from (
        select r.*, count(*) over () as found,
            sum(pg_column_size(r.payload)) over before_it as stored_before
          from varve.read_stream(
            $1, $2, $3::bigint, $4::bigint, $5::integer, $6::boolean, $7::text::timestamptz,
            $8::text::timestamptz
          ) with ordinality r
          window before_it as (
            order by r.ordinality rows between unbounded preceding and 1 preceding
          )
      ) s
      where coalesce(s.stored_before, 0) < $9::bigint
      window before_it as (order by s.ordinality rows between unbounded preceding and 1 preceding)
  ) e on coalesce(e.text_before, 0) < $9::bigint
  where w.aggregate_type = $1 and w.aggregate_id = $2
  order by e.ordinality;
