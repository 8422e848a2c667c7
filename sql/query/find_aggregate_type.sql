-- Finds the next aggregate type of the log, be it of a stream or of an event without one.
--   $1 the type before, null for the first → aggregate_type text, null after the last; one row
-- Index: streams_pkey and events_YYYY_MM_stream, one row of each. Locks: none.
-- Idempotent: reads only.
select least(
  (
    select min(s.aggregate_type) from varve.streams s
      where $1::text is null or s.aggregate_type > $1
  ),
  (
    select min(e.aggregate_type) from varve.events e
      where $1::text is null or e.aggregate_type > $1
  )
) as aggregate_type;
