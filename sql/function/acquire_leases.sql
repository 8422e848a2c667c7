-- Takes, renews and shares out the leases of subscriptions, for one owner, and takes its report.
--   new_owner uuid, random for each start of a process;
--   wanted jsonb: [{name, version, fingerprint}] for views, else
--     [{name, kind: "reactor", eventTypes, aggregateTypes: null for all}];
--   duration_ms integer; reports jsonb: [{subscription, partition, epoch, …}], what the owner says
--     of those that it holds
--   → one row a lease that is held now: subscription, partition, partitions, epoch, position of the
--     checkpoint, barrier it must not pass (or null), paused, surplus: another instance is to have
--     it, give it back with varve.release_lease; due_in_ms until its next dead letter is due (null:
--     none), open_letters: whether any waits, discards_ahead: whether events that a view
--     has still to pass were discarded, suspects jsonb: [{position, crashes}] of events that
--     were worked on when a worker ended; version, fingerprint of a view's definition, else null
-- A lease that another owner holds is left alone until it expires by this database's clock; a change
-- of owner raises the epoch, and from then on the owner before can write nothing. One that ends more
-- than an hour from now was taken while the clock was ahead: nobody asks for so long, and it is as
-- good as expired.
-- Each instance has its quota of those that the same instances can run: the whole divided by their
-- number, and one more for the first of them. Who has more gives back, who has less takes what is
-- free.
-- A lease whose checkpoint somebody else has locked is not taken now: the next call finds it free.
-- A view's version is held by whoever declares the same definition, whatever its role. A program
-- before fingerprints says none: it is believed, and knows only what serves, in one partition. A
-- reactor is held by whoever wants of it what was declared: another would pass what it misses. Who
-- wants all of that and more declares it, and so does anybody once no instance knows it as it was.
-- Index: leases_pkey, checkpoints_pkey, dead_letters_due, dead_letters_queue. Locks: rows of
-- instances, leases and checkpoints in order of name. Idempotent.
drop function if exists varve.acquire_leases(uuid, jsonb, integer);
drop function if exists varve.acquire_leases(uuid, jsonb, integer, jsonb);
create or replace function varve.acquire_leases(
  new_owner uuid, wanted jsonb, duration_ms integer, reports jsonb default '[]'
) returns table (
  subscription text, "partition" integer, partitions integer, epoch bigint, "position" bigint,
  barrier bigint, paused boolean, surplus boolean, due_in_ms double precision, open_letters boolean,
  discards_ahead boolean, suspects jsonb, version integer, fingerprint text
)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
#variable_conflict use_column
declare
  until constant timestamptz := clock_timestamp() + make_interval(secs => duration_ms / 1000.0);
  names text[];
  one record;
  held bigint;
begin
  for one in
    select s.name, w."eventTypes" as event_types, w."aggregateTypes" as aggregate_types
      from varve.subscriptions s
      join jsonb_to_recordset(wanted)
        w (name text, kind text, "eventTypes" text[], "aggregateTypes" text[])
        on w.kind = 'reactor' and w.name = s.name
      where s.kind = 'reactor'
        and not (
          varve.covers(s.event_types, s.aggregate_types, w."eventTypes", w."aggregateTypes")
          and varve.covers(w."eventTypes", w."aggregateTypes", s.event_types, s.aggregate_types)
        )
        -- Without a lock where it will come to nothing.
        and (
          varve.is_orphaned(s.name, new_owner)
          or varve.covers(w."eventTypes", w."aggregateTypes", s.event_types, s.aggregate_types)
        )
      order by s.name
  loop
    perform varve.change_filter(one.name, one.event_types, one.aggregate_types, new_owner);
  end loop;

  select coalesce(array_agg(s.name order by s.name), '{}') into names
    from varve.subscriptions s
    left join varve.views v on v.name = s.name
    join jsonb_to_recordset(wanted)
      w (name text, version integer, fingerprint text, kind text, "eventTypes" text[],
        "aggregateTypes" text[])
      on case when s.kind = 'reactor' then w.kind = 'reactor' and w.name = s.name
          and varve.covers(s.event_types, s.aggregate_types, w."eventTypes", w."aggregateTypes")
          and varve.covers(w."eventTypes", w."aggregateTypes", s.event_types, s.aggregate_types)
        else w.kind is distinct from 'reactor' and w.name = v.view and w.version = v.version
          and case when w.fingerprint is null then v.role = 'serving' and s.partitions = 1
            else coalesce(v.fingerprint = w.fingerprint, true) end
        end;
  insert into varve.instances as i (owner, capable, expires_at) values (new_owner, names, until)
    on conflict (owner) do update set capable = excluded.capable, expires_at = excluded.expires_at;
  delete from varve.instances i
    where i.expires_at < clock_timestamp() - interval '1 minute'
      or i.expires_at > clock_timestamp() + interval '1 hour';

  for one in
    select distinct s.name from varve.subscriptions s
      where s.name = any (names) and s.wanted_partitions is not null
      order by s.name
  loop
    perform varve.exchange_partitions(one.name);
  end loop;

  update varve.leases l
    set report = r.report, reported_at = clock_timestamp()
    from (
      select e.value as report, e.value ->> 'subscription' as subscription,
          (e.value ->> 'partition')::integer as partition, (e.value ->> 'epoch')::bigint as epoch
        from jsonb_array_elements(reports) e
    ) r
    where l.subscription = r.subscription and l.partition = r.partition
      and l.epoch = r.epoch and l.owner = new_owner;

  for one in
    with shared as (
      select c.subscription, c.partition, (
          select array_agg(i.owner order by i.owner) from varve.instances i
            where i.expires_at > clock_timestamp() and c.subscription = any (i.capable)
        ) as able,
        l.owner is not distinct from new_owner as mine,
        l.owner is null or l.expires_at < clock_timestamp()
          or l.expires_at > clock_timestamp() + interval '1 hour' as is_free
        from varve.checkpoints c
        left join varve.leases l
          on l.subscription = c.subscription and l.partition = c.partition
        where c.subscription = any (names)
    ), counted as (
      select h.*,
          count(*) over (partition by h.able) / cardinality(h.able)
            + case when array_position(h.able, new_owner) - 1
                < count(*) over (partition by h.able) % cardinality(h.able) then 1 else 0 end
            as quota,
          row_number() over (
            partition by h.able order by not h.mine, not h.is_free, h.subscription, h.partition
          ) as nth
        from shared h
    )
    select n.subscription, n.partition, n.mine, n.nth > n.quota as surplus
      from counted n
      where n.mine or (n.is_free and n.nth <= n.quota)
      order by n.subscription, n.partition
  loop
    if not one.mine then
      -- A new owner writes its epoch to the checkpoint. Where somebody else holds that row, all
      -- other leases would wait for it.
      perform from varve.checkpoints c
        where c.subscription = one.subscription and c.partition = one.partition
        for no key update skip locked;
      continue when not found;
    end if;
    insert into varve.leases as l (subscription, partition, owner, epoch, expires_at)
      select c.subscription, c.partition, new_owner, c.epoch + 1, until
        from varve.checkpoints c
        where c.subscription = one.subscription and c.partition = one.partition
      on conflict (subscription, partition) do update set
        owner = excluded.owner,
        -- One that was taken while the partitions changed has an epoch of before: it is taken anew.
        epoch = case when l.owner = excluded.owner and l.epoch >= excluded.epoch - 1
          then l.epoch else excluded.epoch end,
        report = case when l.owner = excluded.owner then l.report end,
        expires_at = excluded.expires_at
        where l.owner = excluded.owner or l.expires_at < clock_timestamp()
          or l.expires_at > clock_timestamp() + interval '1 hour'
      returning l.epoch into held;
    continue when not found;
    update varve.checkpoints c set epoch = held
      where c.subscription = one.subscription and c.partition = one.partition and c.epoch < held;
    return query
      select c.subscription, c.partition, s.partitions, c.epoch, c.position, c.barrier,
          s.paused_at is not null, one.surplus, (
            select extract(epoch from min(d.due_at) - clock_timestamp())::double precision * 1000
              from varve.dead_letters d
              where d.subscription = c.subscription and d.partition = c.partition
                and d.state = 'waiting' and d.due_at is not null
          ), exists (
            select from varve.dead_letters d
              where d.subscription = c.subscription and d.state = 'waiting'
          ), v.name is not null and exists (
            select from varve.dead_letters d
              where d.subscription = c.subscription and d.partition = c.partition
                and d.state = 'discarded' and d.position > c.position
          ), (
            select coalesce(jsonb_agg(jsonb_build_object(
                'position', p.position, 'crashes', p.crashes)), '[]')
              from varve.suspects p
              where p.subscription = c.subscription and p.position > c.position
          ), v.version, v.fingerprint
        from varve.checkpoints c
        join varve.subscriptions s on s.name = c.subscription
        left join varve.views v on v.name = c.subscription
        where c.subscription = one.subscription and c.partition = one.partition and c.epoch = held;
  end loop;
end
$$;
