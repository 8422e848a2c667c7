-- Takes the next step of comparing what a partition of a subscription has taken in effect with what
-- it had to take by the log. A step is one of these: a checkpoint that was moved by hand is written
-- down; a fault is named, a stretch at a time; or the log is counted for a stretch, and, where that
-- brings the count to the checkpoint, both are compared.
--   subscription_name text, partition_number integer, max_events integer: positions in one step
--   → one row: more boolean: whether another step has something to do; agrees boolean: what a
--   comparison came to, null without one; blocked text: the partition of the log that has to be
--   restored before it goes on; faults jsonb: [{partition, kind, afterPosition, toPosition,
--   positions, total | null}], each told once: named, or found in what is blocked, or as soon as it
--   reaches past the end of the log, whose next events will be the ones that are skipped
-- Compared are what was taken, each position after proof_from that an open dead letter stands for,
-- less what the faults add, all of one snapshot, and the events up to the position of that snapshot.
-- A checkpoint that goes back over its own track is compared when it is at the end of that. A
-- difference that is written down is a fault, and part of the sum from then on: no later comparison
-- finds it again.
-- Index: checkpoints_pkey, dead_letters_open, proof_faults_subscription, events_YYYY_MM_position.
-- Locks: the row of the checkpoint, once everything is counted, and until the commit, which does not
-- wait for the disk. Idempotent: a step that somebody else has taken meanwhile is not taken again.
create or replace function varve.audit_proof(
  subscription_name text, partition_number integer, max_events integer,
  out more boolean, out agrees boolean, out blocked text, out faults jsonb
)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  seen record;
  head bigint;
  counted record;
  reached bigint;
  one bigint;
  extra bigint;
  extra_hash bigint;
  is_naming boolean := false;
  is_stuck boolean := false;
begin
  perform set_config('synchronous_commit', 'off', true);
  more := false;
  faults := '[]';
  select p.* into seen from varve.read_proofs(subscription_name, partition_number) p;
  if not found then
    return;
  end if;
  -- After the checkpoint, which is then past the end of the log only where it really is.
  select h.position into head from varve.log_head() h;

  if seen.proof_position <> seen.position or seen.repeat_to <= seen.position then
    perform from varve.checkpoints c
      where c.subscription = subscription_name and c.partition = partition_number
      for no key update;
    perform varve.note_move(subscription_name, partition_number);
    more := true;
    return;
  end if;

  -- Those of partitions that are no more are somebody's too.
  for one in
    select f.id from varve.proof_faults f
      where f.subscription = subscription_name
        and f.partition % seen.partitions = partition_number
        and f.named_to is distinct from f.to_position
        and (f.to_position <= head or coalesce(f.named_to, f.after_position) < head)
      order by f.id
  loop
    begin
      perform varve.name_fault(one, max_events, head);
      is_naming := true;
      exit;
    exception when sqlstate 'VA004' then
      get stacked diagnostics blocked = pg_exception_hint;
      is_stuck := true;
    end;
  end loop;

  if is_naming then
    more := true;
  else
    reached := greatest(
      seen.audited_position, least(seen.position, seen.audited_position + max_events, head)
    );
    begin
      select n.events, n.hash into counted
        from varve.count_events(seen.audited_position, reached, seen.event_types,
          seen.aggregate_types, seen.partitions, partition_number, 0) n;
    exception when sqlstate 'VA004' then
      get stacked diagnostics blocked = pg_exception_hint;
      reached := null;
    end;
  end if;
  if reached is not null then
    perform from varve.checkpoints c
      join varve.subscriptions s on s.name = c.subscription
      where c.subscription = subscription_name and c.partition = partition_number
        and (c.epoch, c.proof_from, c.audited_position) =
          (seen.epoch, seen.proof_from, seen.audited_position)
        and (c.audited_at, s.declared_at, s.event_types, s.aggregate_types) is not distinct from
          (seen.audited_at, seen.declared_at, seen.event_types, seen.aggregate_types)
      for no key update of c;
    if not found then
      more := true;
      return;
    end if;
    more := reached < least(seen.position, head);
    if reached = seen.position and seen.repeat_to is null and seen.named then
      extra := seen.unexplained_count - counted.events;
      extra_hash := seen.unexplained_hash - counted.hash;
      agrees := (extra, extra_hash, seen.fault_count) = (0, 0, 0);
      if (extra, extra_hash) <> (0, 0) then
        more := varve.record_mismatch(
          subscription_name, partition_number, reached, extra, extra_hash
        );
      end if;
    end if;
    update varve.checkpoints c
      set audited_position = reached, audited_count = c.audited_count + counted.events,
        audited_hash = c.audited_hash + counted.hash, audited_at = clock_timestamp(),
        agreed_position = case when agrees is null then c.agreed_position else reached end
      where c.subscription = subscription_name and c.partition = partition_number;
  end if;

  with told as (
    update varve.proof_faults f set told_at = clock_timestamp()
      where f.subscription = subscription_name
        and f.partition % seen.partitions = partition_number and f.told_at is null
        and (f.named_to = f.to_position or (is_stuck and not is_naming) or f.to_position > head)
      returning f.*
  )
  select coalesce(jsonb_agg(varve.fault_report(t) order by t.id), '[]') into faults from told t;
end
$$;
