-- Moves a checkpoint, together with the proof, the dead letters of events that were put aside and
-- what came of those that were tried again: all or nothing, and only for the holder of the epoch,
-- from the position where the checkpoint really is.
--   subscription_name text, partition_number integer, held_epoch bigint, from_position bigint,
--   to_position bigint (not below from; equal where only letters are settled),
--   taken jsonb: positions that have taken effect by this,
--   letters jsonb: [{key, kind, stream, position, eventId, eventType, errorCode, attempts,
--     dueInMs | null}], settled jsonb: as varve.settle_dead_letters has it
--   → true if it was moved; false if the epoch, the position or a letter is no longer the caller's
-- A checkpoint that somebody moved past this function is a fault of the proof, and is written down,
-- whatever else comes of the call. A letter that stands for the second time for a position that is
-- passed again counts as taken once, since it can only be resolved once.
-- The commit does not wait for the disk: after a crash checkpoint, letters and whatever is written
-- in the same statement are all older by the same step, and the log, which does wait, brings it
-- again. A letter that was there before, as after a reset, waits again and counts on.
-- Index: checkpoints_pkey, dead_letters' unique key. Locks: the rows of checkpoint and letters, for
-- at most two seconds each. Repeating it is safe: the second call is false.
create or replace function varve.advance_checkpoint(
  subscription_name text, partition_number integer, held_epoch bigint, from_position bigint,
  to_position bigint, taken jsonb, letters jsonb, settled jsonb
) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
-- As in find_active_keys.
set enable_seqscan = off
as $$
declare
  proven record;
  processed bigint;
  counted bigint;
  hashed bigint;
  one record;
begin
  perform set_config('synchronous_commit', 'off', true);
  select c.proof_position, c.proof_from into proven
    from varve.checkpoints c
    where c.subscription = subscription_name and c.partition = partition_number
      and c.epoch = held_epoch and c.position = from_position and to_position >= from_position
      and (to_position = from_position or c.barrier is null or to_position <= c.barrier)
    for no key update;
  if not found then
    return false;
  end if;
  if jsonb_array_length(settled) > 0
    and not varve.settle_dead_letters(subscription_name, settled) then
    return false;
  end if;
  if proven.proof_position <> from_position then
    perform varve.note_move(subscription_name, partition_number);
  end if;
  select count(*), count(*) filter (where t.position > proven.proof_from),
      coalesce(sum(varve.position_hash(t.position)) filter (where t.position > proven.proof_from), 0)
    into processed, counted, hashed
    from (select e::bigint as position from jsonb_array_elements_text(taken) e) t;
  if jsonb_array_length(letters) > 0 then
    select counted + count(*), hashed + coalesce(sum(varve.position_hash(a.position)), 0)
      into counted, hashed
      from (
        select distinct l.position from jsonb_to_recordset(letters) l (position bigint)
          where l.position > greatest(from_position, proven.proof_from)
      ) a
      cross join lateral (
        select from varve.dead_letters d
          where d.subscription = subscription_name and d.partition = partition_number
            and d.position = a.position and d.state <> 'resolved'
          limit 1
      ) standing;
  end if;
  update varve.checkpoints c
    set position = to_position, proof_position = to_position,
      taken_count = c.taken_count + counted, taken_hash = c.taken_hash + hashed,
      events_processed = c.events_processed + processed,
      -- Letters that are settled while the log stands still are no progress in it.
      last_progress_at = case when to_position > from_position
        then clock_timestamp() else c.last_progress_at end
    where c.subscription = subscription_name and c.partition = partition_number;
  if jsonb_array_length(letters) > 0 then
    insert into varve.dead_letters as d (
        subscription, partition, key, kind, stream, position, event_id, event_type, error_code,
        attempts, due_at, failed_at
      )
      select subscription_name, partition_number, l.key, l.kind, l.stream, l.position, l."eventId",
          l."eventType", l."errorCode", l.attempts,
          clock_timestamp() + make_interval(secs => l."dueInMs" / 1000.0), clock_timestamp()
        from jsonb_to_recordset(letters) l (
          key text, kind text, stream text, position bigint, "eventId" uuid, "eventType" text,
          "errorCode" text, attempts integer, "dueInMs" double precision
        )
      on conflict (subscription, partition, position, key) do update
        set error_code = excluded.error_code, attempts = d.attempts + excluded.attempts,
          kind = excluded.kind, stream = excluded.stream, due_at = excluded.due_at,
          failed_at = excluded.failed_at, settled_at = null, state = 'waiting', reason = null;
    -- What stood in front of it when the page was read may have been settled meanwhile.
    -- It is asked of these alone: in a join it would be asked of every letter there is.
    for one in
      select l.key, l.position
        from jsonb_to_recordset(letters) l (
          key text, kind text, stream text, position bigint, "errorCode" text
        )
        where l."errorCode" = 'behind-dead-letter'
          and not varve.waits_behind(subscription_name, l.kind, l.key, l.stream, l.position)
    loop
      update varve.dead_letters d set due_at = clock_timestamp()
        where d.subscription = subscription_name and d.partition = partition_number
          and d.position = one.position and d.key = one.key;
    end loop;
  end if;
  return true;
end
$$;
