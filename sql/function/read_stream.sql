-- Events of one stream, versions `from_version` to `to_version` (both inclusive), in order of
-- version.
--   aggregate_type text, aggregate_id text, from_version bigint, to_version bigint;
--   max_events integer: the first so many, or with newest_first boolean the last, which then come
--     first;
--   since timestamptz: a moment that is not after the first wanted event, such as that of a
--     snapshot; months before it are left alone; null for the whole stream;
--   until timestamptz: only events that were stored by then; null for all
--   → rows of varve.events, at most max_events; none where there is no such stream
-- Index: streams_pkey, then events_YYYY_MM_stream of the months between the first and the last event
-- that can be wanted; other partitions are neither planned nor locked. Locks: none. Reads only.
-- Error VA004: wanted events lie in partitions that are not attached, whatever the register says; the
-- hint names them.
drop function if exists varve.read_stream(text, text, bigint, bigint, integer);
create or replace function varve.read_stream(
  aggregate_type text, aggregate_id text, from_version bigint, to_version bigint,
  max_events integer, newest_first boolean default false, since timestamptz default null,
  until timestamptz default null
) returns setof varve.events
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_variable
declare
  first_month timestamptz;
  after_last_month timestamptz;
  first_wanted bigint := from_version;
  last_wanted bigint;
  -- As of `until`: the last version that is there by then, and the one after it.
  last_then bigint;
  next_then bigint;
  absent text;
  gone text;
  given bigint := 0;
begin
  select date_trunc('month', greatest(s.first_at, since), 'UTC'),
      (date_trunc('month', s.last_at at time zone 'UTC') + interval '1 month') at time zone 'UTC',
      least(to_version, s.version)
    into first_month, after_last_month, last_wanted
    from varve.streams s
    where s.aggregate_type = aggregate_type and s.aggregate_id = aggregate_id;
  if not found then
    return;
  end if;
  select string_agg(p.name, ' ' order by p.lower_bound) into absent
    from varve.event_partitions p
    where p.state <> 'attached' and p.first_position is not null
      and p.upper_bound > first_month and p.lower_bound < after_last_month
      and (until is null or p.lower_bound <= until);

  if until is not null then
    select e.version into last_then from varve.events e
      where e.aggregate_type = aggregate_type and e.aggregate_id = aggregate_id
        and e.created_at >= first_month and e.created_at < after_last_month
        and e.created_at <= until
      order by e.version desc
      limit 1;
    if absent is not null then
      select e.version into next_then from varve.events e
        where e.aggregate_type = aggregate_type and e.aggregate_id = aggregate_id
          and e.created_at >= first_month and e.created_at < after_last_month
          and e.created_at > until
        order by e.version
        limit 1;
      -- What was there by then is everything before the next one, wherever it lies now.
      last_then := coalesce(next_then - 1, last_wanted);
    end if;
    last_wanted := least(last_wanted, coalesce(last_then, 0));
  end if;

  -- Versions have no gap, so that a number of events is a range of versions.
  if newest_first then
    first_wanted := greatest(first_wanted, last_wanted - max_events + 1, 1);
    return query
      select e.* from varve.events e
        where e.aggregate_type = aggregate_type and e.aggregate_id = aggregate_id
          and e.version between first_wanted and last_wanted
          and e.created_at >= first_month and e.created_at < after_last_month
        order by e.version desc;
  else
    first_wanted := greatest(first_wanted, 1);
    last_wanted := least(last_wanted, first_wanted + max_events - 1);
    return query
      select e.* from varve.events e
        where e.aggregate_type = aggregate_type and e.aggregate_id = aggregate_id
          and e.version between first_wanted and last_wanted
          and e.created_at >= first_month and e.created_at < after_last_month
        order by e.version;
  end if;
  get diagnostics given = row_count;
  if until is null and given >= last_wanted - first_wanted + 1 then
    return;
  end if;
  -- The register is as old as the statement, the partitions are those of now: one that was detached
  -- since has lost nobody's events silently.
  select string_agg(p.name, ' ' order by p.lower_bound) into gone
    from varve.event_partitions p
    cross join lateral to_regclass(format('varve.%I', p.name)) t (id)
    where p.state = 'attached' and p.first_position is not null
      and p.upper_bound > first_month and p.lower_bound < after_last_month
      and (pg_partition_root(t.id) is distinct from 'varve.events'::regclass
        or exists (
          select from pg_inherits i where i.inhrelid = t.id and i.inhdetachpending
        ));
  if gone is not null or absent is not null and given < last_wanted - first_wanted + 1 then
    raise exception 'events of the stream are archived'
      using errcode = 'VA004', hint = concat_ws(' ', absent, gone);
  end if;
end
$$;
