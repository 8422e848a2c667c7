-- Snapshots: the latest stored state of a stream, so that a load folds only the events after it.
--
-- Nothing here is needed: whatever is missing or does not fit is made again from the events. Rows
-- are written by varve.save_snapshot alone. Sealed values of the state stay sealed.

create table varve.snapshots (
  aggregate_type text not null,
  aggregate_id text not null,
  -- The last event that is folded in: its version, its position and when it was stored. A load
  -- looks at no month before that time.
  version bigint not null check (version > 0),
  position bigint not null check (position > 0),
  created_at timestamptz not null,
  -- The version of the state's schema, as its aggregate declares it.
  schema_version integer not null check (schema_version > 0),
  state jsonb not null,
  -- The data keys that sealed values of the state need.
  subject_keys uuid[] not null default '{}',
  taken_at timestamptz not null default clock_timestamp(),
  primary key (aggregate_type, aggregate_id)
);
