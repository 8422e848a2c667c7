-- What readers of the log keep: where they are, who may write, and the documents they build.

create schema if not exists varve_views;

create table varve.checkpoints (
  subscription text not null,
  partition integer not null default 0,
  -- Everything up to and including this position has taken effect.
  position bigint not null default 0 check (position >= 0),
  -- Only the holder of this epoch moves the checkpoint.
  epoch bigint not null default 0,
  events_processed bigint not null default 0,
  last_progress_at timestamptz not null default clock_timestamp(),
  primary key (subscription, partition)
) with (fillfactor = 50);

create table varve.leases (
  subscription text not null,
  partition integer not null default 0,
  owner uuid not null,
  epoch bigint not null,
  expires_at timestamptz not null,
  primary key (subscription, partition)
) with (fillfactor = 50);

create table varve.dead_letters (
  id bigint generated always as identity primary key,
  subscription text not null,
  partition integer not null default 0,
  -- The stream, or the key of the document, whose later events wait behind this one.
  key text not null,
  position bigint not null,
  error_code text not null,
  attempts integer not null default 1,
  state text not null default 'waiting' check (state in ('waiting', 'resolved', 'discarded')),
  reason text,
  created_at timestamptz not null default clock_timestamp(),
  unique (subscription, partition, position, key)
);

-- The views that exist: schema varve_views holds one table for each, and a SQL view of its name
-- that points at the version that serves.
create table varve.views (
  name text primary key,
  version integer not null check (version > 0),
  table_name text not null unique
);
