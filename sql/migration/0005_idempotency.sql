-- What a caller's Idempotency-Key led to: a pointer to the events, never a body.
--
-- It is not partitioned, so that a key means the same on both sides of a month's end. Rows are
-- written by varve.append_events in the statement that appends, and go by age.

create table varve.idempotency (
  -- Who sent it: two callers with the same key never meet.
  principal text not null,
  -- A keyed hash of the key.
  key text not null,
  -- A keyed hash of what was asked; the same key with another request is refused.
  fingerprint text not null,
  aggregate_type text not null,
  aggregate_id text not null,
  from_version bigint not null check (from_version > 0),
  to_version bigint not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (principal, key),
  check (to_version >= from_version)
);

create index idempotency_created_at on varve.idempotency (created_at);
