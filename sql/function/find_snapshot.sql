-- Finds how far a stream is, and the snapshot that a load of it may start from.
--   aggregate_type text, aggregate_id text; schema_version integer: of the state that is wanted,
--     null to leave any snapshot alone
--   → stream_version bigint; snapshot_version, snapshot_position bigint, snapshot_created_at
--     timestamptz, snapshot_schema_version integer: null where there is no snapshot; state jsonb:
--     null also where the snapshot is of another schema, or ahead of its stream and so not true;
--     one row, none where there is no stream
-- Index: streams_pkey, snapshots_pkey. Locks: none. Idempotent: reads only.
create or replace function varve.find_snapshot(
  aggregate_type text, aggregate_id text, schema_version integer
) returns table (
  stream_version bigint, snapshot_version bigint, snapshot_position bigint,
  snapshot_created_at timestamptz, snapshot_schema_version integer, state jsonb
)
-- With the thousand rows that a function is held for, a load was worth compiling: 30 ms each time.
language plpgsql stable security definer rows 1
set search_path = pg_catalog, pg_temp
-- A plan that was cached while the tables were small would scan them whole when they have grown.
set enable_seqscan = off
as $$
#variable_conflict use_variable
begin
  return query
    select s.version, n.version, n.position, n.created_at, n.schema_version,
        case when n.schema_version = schema_version and n.version <= s.version then n.state end
      from varve.streams s
      left join varve.snapshots n
        on schema_version is not null
          and n.aggregate_type = aggregate_type and n.aggregate_id = aggregate_id
      where s.aggregate_type = aggregate_type and s.aggregate_id = aggregate_id;
end
$$;
