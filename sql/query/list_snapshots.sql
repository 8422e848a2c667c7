-- Counts snapshots by aggregate type and schema version.
--   none → aggregate_type text, schema_version integer, snapshots bigint, bytes bigint (as stored),
--     oldest and newest timestamptz (when they were taken), in order of type and schema version
-- Index: none, every row is counted. Locks: none. Idempotent: reads only.
select n.aggregate_type, n.schema_version, count(*) as snapshots,
    sum(pg_column_size(n.state))::bigint as bytes, min(n.taken_at) as oldest,
    max(n.taken_at) as newest
  from varve.snapshots n
  group by n.aggregate_type, n.schema_version
  order by n.aggregate_type, n.schema_version;
