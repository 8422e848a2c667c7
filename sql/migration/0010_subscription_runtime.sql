-- What the subscription runtime keeps: what each subscription is, who may run it, what it has taken
-- in effect, and when a dead letter is tried again.

-- Every view and reactor that was ever declared. A view that is built beside the one that serves,
-- and the one that served before, are subscriptions of their own: `orders:building` and
-- `orders:previous`.
create table varve.subscriptions (
  name text primary key,
  kind text not null check (kind in ('view', 'reactor')),
  -- Each takes its share of the streams; there is a checkpoint for each.
  partitions integer not null default 1 check (partitions between 1 and 256),
  -- A change of their number waits until all have come to the same place: the barrier of each.
  wanted_partitions integer check (wanted_partitions between 1 and 256),
  -- What it wants of the log; null for everything. The audit of its proof counts by it.
  event_types text[],
  aggregate_types text[],
  -- Where it began, exclusive; a view that is built once more begins there as well.
  start_position bigint not null default 0,
  paused_at timestamptz,
  pause_reason text,
  declared_at timestamptz not null default clock_timestamp()
);
insert into varve.subscriptions (name, kind)
  select distinct c.subscription, 'view' from varve.checkpoints c;

-- Processes that hold leases or wait for some, each for as long as a lease: among them partitions
-- are shared out.
create table varve.instances (
  owner uuid primary key,
  -- The subscriptions that it can run: during a roll-out not all programs know all of them.
  capable text[] not null,
  expires_at timestamptz not null
);

-- A view's versions: `name` is the subscription that keeps it.
alter table varve.views
  add column view text,
  add column role text not null default 'serving'
    check (role in ('serving', 'building', 'previous')),
  -- Of the definition that made the documents; null where an earlier release made them.
  add column fingerprint text,
  add column filter_fields text[] not null default '{}',
  -- The highest epoch of versions that are gone, so that none is given twice under one name.
  add column past_epoch bigint not null default 0,
  add column made_at timestamptz;
update varve.views set view = name;
-- squawk-ignore require-concurrent-index-creation -- a handful of rows
create unique index views_role on varve.views (view, role);

alter table varve.checkpoints
  -- It goes no further than this while the number of partitions changes.
  add column barrier bigint,
  -- The proof: how many positions after proof_from have taken effect, and the sum of their hashes,
  -- written by the statement that moves the checkpoint. proof_position is where that statement left
  -- it; where it differs from the position, somebody else has moved it.
  add column proof_from bigint not null default 0,
  add column proof_position bigint not null default 0,
  add column taken_count bigint not null default 0,
  add column taken_hash bigint not null default 0,
  -- What the log has in (proof_from, audited_position], as the audit counted it.
  add column audited_position bigint not null default 0,
  add column audited_count bigint not null default 0,
  add column audited_hash bigint not null default 0,
  add column audited_at timestamptz,
  -- How far both were last seen to agree; null before the first time.
  add column agreed_position bigint,
  -- The checkpoint was moved back: after the one, up to the other, positions are taken again.
  add column repeat_from bigint,
  add column repeat_to bigint;
update varve.checkpoints
  set proof_from = position, proof_position = position, audited_position = position;

-- Positions that were passed over, or taken again, without anybody's word for it.
create table varve.proof_faults (
  id bigint generated always as identity primary key,
  subscription text not null,
  partition integer not null,
  -- mismatch: counts or hashes differ, and no position was found that explains it.
  kind text not null check (kind in ('skipped', 'doubled', 'mismatch')),
  -- Where they lie: after the one, up to and including the other.
  after_position bigint not null,
  to_position bigint not null,
  -- Whether the proof that runs contains it; false for one that ended with an earlier filter or
  -- number of partitions, or where it is older than the proof.
  in_proof boolean not null default true,
  -- What was wanted when it was found: what of the range counts goes by it.
  partitions integer not null,
  event_types text[],
  aggregate_types text[],
  -- How far the audit has looked for the positions; it is named once that is to_position.
  named_to bigint,
  -- The first hundred of them, and what all add to taken_count and taken_hash that the log does not
  -- explain. Where nothing of the range counts the row is removed.
  positions bigint[] not null default '{}',
  count_delta bigint not null default 0,
  hash_delta bigint not null default 0,
  found_at timestamptz not null default clock_timestamp(),
  -- When the alarm was raised.
  told_at timestamptz
);
create index proof_faults_subscription on varve.proof_faults (subscription, partition);

-- What the holder says of itself, for whoever asks another instance.
alter table varve.leases
  add column report jsonb,
  add column reported_at timestamptz;

alter table varve.dead_letters
  -- What `key` is. An event that cannot be read has no document, so that its stream waits.
  add column kind text not null default 'stream' check (kind in ('stream', 'document')),
  add column stream text,
  add column event_id uuid,
  add column event_type text,
  -- When it is tried again; null while it waits for a person, or behind another.
  add column due_at timestamptz,
  add column failed_at timestamptz,
  add column settled_at timestamptz;
update varve.dead_letters set stream = key, failed_at = created_at;
-- squawk-ignore require-concurrent-index-deletion -- as many rows as there are failures
drop index varve.dead_letters_waiting;
-- Health counts by it as well. A shorter index of its own for that would be taken for every question
-- before the table is analyzed, as in a burst of failures, and each would read all letters.
-- squawk-ignore require-concurrent-index-creation -- as many rows as there are failures
create index dead_letters_queue on varve.dead_letters (subscription, kind, key, position)
  include (partition) where state = 'waiting';
-- squawk-ignore require-concurrent-index-creation -- as many rows as there are failures
create index dead_letters_behind_stream on varve.dead_letters (subscription, stream, position)
  where state = 'waiting' and kind = 'document';
-- squawk-ignore require-concurrent-index-creation -- as many rows as there are failures
create index dead_letters_due on varve.dead_letters (subscription, partition, position)
  where state = 'waiting' and due_at is not null;

-- Events that were worked on when a worker ended by itself or by force: whoever comes to them next
-- knows how often that was.
create table varve.suspects (
  subscription text not null,
  position bigint not null,
  crashes integer not null,
  primary key (subscription, position)
);
-- squawk-ignore require-concurrent-index-creation -- as many rows as there are failures
create index dead_letters_open on varve.dead_letters (subscription, partition, position)
  where state <> 'resolved';

-- What reactors and publications are not known to have done: the events that they want and have not
-- passed, and those that were put aside and wait. Nothing is written twice for it: an append makes the row, and the
-- statement that moves the checkpoint takes it away. Ask it for one subscription at a time; what is
-- far behind has as many rows as the log has left.
create view varve.outbox as
  select s.name as subscription, c.partition, e.position, e.created_at, e.event_id, e.event_type,
      e.aggregate_type, e.aggregate_id, 'pending' as state, null as error_code
    from varve.subscriptions s
    join varve.checkpoints c on c.subscription = s.name
    cross join lateral (
      select e.* from varve.events e
        where e.position > c.position
          and (s.event_types is null or e.event_type = any (s.event_types))
          and (s.aggregate_types is null or e.aggregate_type = any (s.aggregate_types))
          -- As varve.stream_partition has it.
          and (s.partitions = 1 or c.partition = ('x' || encode(substr(sha256(convert_to(
            e.aggregate_type || '-' || e.aggregate_id, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint
            % s.partitions)
    ) e
    where s.kind = 'reactor'
  union all
  select d.subscription, d.partition, d.position, e.created_at, d.event_id, d.event_type,
      e.aggregate_type, e.aggregate_id, 'put-aside', d.error_code
    from varve.dead_letters d
    join varve.subscriptions s on s.name = d.subscription and s.kind = 'reactor'
    left join varve.events e on e.position = d.position
    where d.state = 'waiting';
