-- Lets a subscription begin again after a position (exclusive). A view begins without documents, so
-- that it can begin at 0 alone; its readers find nothing until it has caught up.
--   subscription_name text, new_position bigint → done | unknown | not-zero | past-head
-- A checkpoint that somebody has deleted is made again. The epoch rises: whatever its holder is about
-- to write is refused. Letters that wait are settled by it, and so are those that were discarded of
-- events that come again; the proof begins anew.
-- Index: checkpoints_pkey. Locks: its rows, and the table of its documents, exclusively, for a
-- moment. Idempotent.
create or replace function varve.reset_subscription(subscription_name text, new_position bigint)
returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
declare
  known record;
begin
  select s.kind, s.partitions, v.table_name into known
    from varve.subscriptions s
    left join varve.views v on v.name = s.name
    where s.name = subscription_name
    for update of s;
  if not found then
    return 'unknown';
  elsif known.kind = 'view' and new_position <> 0 then
    return 'not-zero';
  elsif new_position > (select h.position from varve.log_head() h) then
    return 'past-head';
  end if;
  insert into varve.checkpoints (subscription, partition, epoch)
    select subscription_name, p, greatest(0, (
        select max(l.epoch) from varve.leases l where l.subscription = subscription_name
      ), (
        select varve.view_epoch(v.view) from varve.views v where v.name = subscription_name
      ))
      from generate_series(0, known.partitions - 1) p
    on conflict (subscription, partition) do nothing;
  perform from varve.checkpoints c where c.subscription = subscription_name
    order by c.partition for update;
  update varve.checkpoints c
    set position = new_position, epoch = c.epoch + 1, events_processed = 0, barrier = null,
      last_progress_at = clock_timestamp(), proof_from = new_position,
      proof_position = new_position, taken_count = 0, taken_hash = 0,
      audited_position = new_position, audited_count = 0, audited_hash = 0, audited_at = null,
      agreed_position = null, repeat_from = null, repeat_to = null
    where c.subscription = subscription_name;
  update varve.subscriptions s set wanted_partitions = null where s.name = subscription_name;
  delete from varve.leases l where l.subscription = subscription_name;
  delete from varve.proof_faults f where f.subscription = subscription_name;
  -- What ended workers may have been mended meanwhile: it is tried again.
  delete from varve.suspects p where p.subscription = subscription_name;
  update varve.dead_letters d
    set state = 'resolved', reason = 'the subscription was reset', due_at = null,
      settled_at = clock_timestamp()
    where d.subscription = subscription_name
      and (d.state = 'waiting' or (d.state = 'discarded' and d.position > new_position));
  if known.table_name is not null then
    execute format('truncate varve_views.%I', known.table_name);
  end if;
  return 'done';
end
$$;
