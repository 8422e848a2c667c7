-- Lists streams with many events after their snapshot.
--   $1 aggregate type: text, $2 schema version of the state: integer, $3 so many events at least:
--     bigint, $4 after this aggregate id: text, '' from the start, $5 limit: integer
--   → aggregate_id text, in order of aggregate_id
-- Index: streams_pkey, snapshots_pkey. Locks: none. Idempotent: reads only.
select s.aggregate_id
  from varve.streams s
  left join varve.snapshots n
    on n.aggregate_type = s.aggregate_type and n.aggregate_id = s.aggregate_id
      and n.schema_version = $2::integer and n.version <= s.version
  where s.aggregate_type = $1 and s.aggregate_id > $4
    and s.version - coalesce(n.version, 0) >= $3::bigint
  order by s.aggregate_id
  limit $5::integer;
