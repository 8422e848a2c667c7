-- Stores the state of a stream at one of its versions, in place of an older one.
--   aggregate_type text, aggregate_id text; version bigint, "position" bigint,
--   created_at timestamptz: of the last event that is folded in; schema_version integer: of the
--   state; state jsonb; subject_keys uuid[]: the data keys of its sealed values
--   → true if it is stored now; false where nothing changed: there is no such stream, it is not at
--     that version yet, or there is a newer snapshot, or the same one
-- A newer snapshot stays, unless it is ahead of its stream: then it cannot be true. At the same
-- version one of another schema gives way, so that programs of both sides of a roll-out go on.
-- Index: snapshots_pkey, streams_pkey. Locks: the row of the snapshot; waits at most 1 s (55P03).
-- Idempotent: yes.
create or replace function varve.save_snapshot(
  aggregate_type text, aggregate_id text, version bigint, "position" bigint,
  created_at timestamptz, schema_version integer, state jsonb, subject_keys uuid[]
) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
-- A plan that was cached while the tables were small would scan them whole when they have grown.
set enable_seqscan = off
as $$
#variable_conflict use_variable
declare
  held boolean;
  stream_version bigint;
begin
  perform from varve.snapshots n
    where n.aggregate_type = aggregate_type and n.aggregate_id = aggregate_id
    for update;
  held := found;
  -- Read after the lock: the version that the row was compared with is committed by then, so that
  -- only a row which was never true is found ahead.
  select s.version into stream_version from varve.streams s
    where s.aggregate_type = aggregate_type and s.aggregate_id = aggregate_id;
  if stream_version is null or version > stream_version then
    return false;
  end if;
  insert into varve.snapshots as n (
    aggregate_type, aggregate_id, version, position, created_at, schema_version, state, subject_keys
  )
  values (
    aggregate_type, aggregate_id, version, "position", created_at, schema_version, state,
    subject_keys
  )
  on conflict on constraint snapshots_pkey do update
    set version = excluded.version, position = excluded.position,
      created_at = excluded.created_at, schema_version = excluded.schema_version,
      state = excluded.state, subject_keys = excluded.subject_keys, taken_at = clock_timestamp()
    where n.version < excluded.version
      or (n.version = excluded.version and n.schema_version <> excluded.schema_version)
      or (held and n.version > stream_version);
  return found;
end
$$;
