-- The event log: streams, events in monthly layers, and the register of the layers.
--
-- Nothing inserts into these tables but varve.append_events. The uniqueness that a time-partitioned
-- table cannot enforce (one event per aggregate and version, over all months) is enforced by the
-- row
-- of the stream, which is compared and set before an event gets its number.

create schema if not exists varve;

create table varve.streams (
  aggregate_type text not null,
  aggregate_id text not null,
  -- The version of the last event; versions of a stream are 1, 2, 3 ...
  version bigint not null check (version > 0),
  -- Taken when the stream is compared and set, just before its events are numbered: the months of
  -- first_at and last_at bound the partitions that hold events of the stream.
  first_at timestamptz not null,
  last_at timestamptz not null,
  primary key (aggregate_type, aggregate_id)
) with (fillfactor = 80);

create table varve.events (
  position bigint not null,
  created_at timestamptz not null,
  event_id uuid not null,
  aggregate_type text not null,
  aggregate_id text not null,
  version bigint not null,
  event_type text not null,
  schema_version integer not null,
  -- When it happened, as the application said; created_at is when the database took it in.
  "timestamp" timestamptz not null,
  payload jsonb not null,
  metadata jsonb not null,
  -- The data keys that sealed values of the payload need.
  subject_keys uuid[] not null default '{}'
) partition by range (created_at);

create table varve.event_partitions (
  name text primary key,
  lower_bound timestamptz not null unique,
  upper_bound timestamptz not null unique,
  -- Set by the first append into the partition.
  first_position bigint unique,
  -- Set when a later partition gets its first event; null while the partition is the newest.
  last_position bigint unique,
  state text not null default 'attached' check (state in ('attached', 'detached', 'archived')),
  check (lower_bound < upper_bound),
  check (last_position >= first_position)
);
