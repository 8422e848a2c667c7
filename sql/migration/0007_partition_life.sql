-- The life of a partition after it is closed: frozen, held, archived, restored.

alter table varve.event_partitions
  -- VACUUM (FREEZE) has been through it since it was closed.
  add column frozen_at timestamptz,
  -- Whoever wrote this wants it kept in the database, whatever retention says.
  add column hold_reason text check (hold_reason <> ''),
  add column held_at timestamptz,
  -- What was written down of the export when the table was dropped: a directory that holds anything
  -- else is not this partition's. It stays after a restore.
  add column archive_place text,
  add column archive_digest text check (archive_digest ~ '^[0-9a-f]{64}$'),
  add column archive_chain text check (archive_chain ~ '^[0-9a-f]{64}$'),
  add column archived_at timestamptz;

-- restoring: the table is there again and is being filled, apart from the log.
alter table varve.event_partitions drop constraint event_partitions_state_check;
-- squawk-ignore constraint-missing-not-valid
alter table varve.event_partitions add constraint event_partitions_state_check
  check (state in ('attached', 'detached', 'archived', 'restoring'));

-- What the upkeep of the partitions came to, for whoever asks any instance.
create table varve.partition_upkeep (
  singleton boolean primary key default true check (singleton),
  last_run_at timestamptz not null,
  -- A code, never a message; null where nothing is wrong.
  last_error text,
  failures integer not null default 0
);
