-- Loads an aggregate: its stream's version, its snapshot, and the first events after it.
--   $1 aggregate type: text, $2 aggregate id: text, $3 schema version of the state: integer, null to
--     leave any snapshot alone, $4 limit of events: integer
--   → the columns of find_snapshot, the state in the first row alone; then those of the events after
--     the snapshot, else from the first on, in order of version, null where there are none; no row
--     where there is no stream
-- Index: streams_pkey, snapshots_pkey, then those of read_stream, of the months from the snapshot's
-- on. Locks: none. Idempotent: reads only, all of it as of one moment.
select s.stream_version, s.snapshot_version, s.snapshot_position, s.snapshot_created_at,
    s.snapshot_schema_version, case when coalesce(e.ordinality, 1) = 1 then s.state end as state,
    e.position, e.created_at, e.event_id, e.aggregate_type, e.aggregate_id, e.version,
    e.event_type, e.schema_version, e."timestamp", e.payload, e.metadata
  from varve.find_snapshot($1, $2, $3::integer) s
  left join lateral varve.read_stream(
    $1, $2, case when s.state is null then 1 else s.snapshot_version + 1 end, s.stream_version,
    $4::integer, false, case when s.state is not null then s.snapshot_created_at end
  ) with ordinality e on true
  order by e.ordinality;
