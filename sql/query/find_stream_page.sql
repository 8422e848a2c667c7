-- Finds where a page of streams of one aggregate type ends.
--   $1 aggregate type, $2 first id of the page text, $3 streams in it integer
--   → until text: the first id after the page; no row where the page is the last
-- Index: streams_pkey. Locks: none. Idempotent: reads only.
select s.aggregate_id as until from varve.streams s
  where s.aggregate_type = $1 and s.aggregate_id >= $2
  order by s.aggregate_id
  offset $3::integer limit 1;
