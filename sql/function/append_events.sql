-- Appends a batch: every append is compared with its stream's version and gets an outcome of its
-- own, and all events of the appends that won are numbered and inserted together.
--
--   batch jsonb: [{aggregateType, aggregateId, expectedVersion: n | 0 for none | null for any,
--                  events: [{id, type, schemaVersion, timestamp, payload, metadata, subjectKeys}],
--                  idempotency: null | {principal, key, fingerprint}}]
--   app_clock timestamptz: the application's clock when it sent the batch; null: not compared
--   → one row an append, in order: append (1-based), outcome,
--       appended  version after it, position of its first event, created_at
--       already   the same three, of the earlier call that appended these event ids
--       replayed  the idempotency key was recorded before; version and position are null
--       conflict  version = the actual version (0 if there is no stream); with any version expected
--                 only where another transaction made the stream at this moment: ask again
--
-- Promises: positions are dense and in commit order; in a stream, version order is position order;
-- created_at never runs back and never falls into a month that is closed. Asking again after a lost
-- reply is safe: the answer is "already".
-- Index: streams_pkey, idempotency_pkey; events_YYYY_MM_position for the head;
-- events_YYYY_MM_stream or events_YYYY_MM_event_id, of the stream's own months, only to recognise a
-- repetition.
-- Locks: rows of streams that exist, of idempotency and of new streams, each in sorted order, then
-- the log lock, which is held for numbering, insert and commit alone. Waits at most 5 s (55P03).
-- Needs READ COMMITTED: under a snapshot of its own the head would be stale and numbers would
-- repeat.
-- Errors: VA001 no partition for created_at (make it, ask again), VA002 isolation, VA003 bad batch,
-- VA007 the clock must not be believed: nothing is numbered, while what was stored before is still
-- recognised.

-- The function before it had the application's clock; beside it, a call without one is ambiguous.
drop function if exists varve.append_events(jsonb);
create or replace function varve.append_events(batch jsonb, app_clock timestamptz default null)
returns table (
  append integer, outcome text, version bigint, "position" bigint, created_at timestamptz
)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
-- Planning anew for each batch cost a lone append a fifth of its rate; no static statement names a month.
set plan_cache_mode = force_generic_plan
-- A plan that was cached while the tables were small would scan them whole when they have grown.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  at constant timestamptz := clock_timestamp();
  -- One element an append, in the order of the batch.
  types text[];
  ids text[];
  expected bigint[];
  counts bigint[];
  actual bigint[];
  won boolean[];
  claims_made jsonb;
  claimed boolean[];
  replayed boolean[];
  outcomes text[];
  versions bigint[];
  positions bigint[];
  times timestamptz[];
  made_types text[];
  made_ids text[];
  stream record;
  stored_version bigint;
  first_month timestamptz;
  after_last_month timestamptz;
  earlier record;
  -- Not a record: where nothing is numbered, the statement that answers could not be parsed.
  head bigint;
  layer_name text;
  layer record;
  stored_at timestamptz;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'append_events needs READ COMMITTED' using errcode = 'VA002';
  end if;
  -- What is answered must be durable, whatever the session was set to.
  if current_setting('synchronous_commit') in ('off', 'local') then
    perform set_config('synchronous_commit', 'on', true);
  end if;

  -- 1. Unpack.
  select array_agg(i.item->>'aggregateType' order by i.n),
      array_agg(i.item->>'aggregateId' order by i.n),
      array_agg((i.item->>'expectedVersion')::bigint order by i.n),
      array_agg(jsonb_array_length(i.item->'events') order by i.n)
    into types, ids, expected, counts
    from jsonb_array_elements(batch) with ordinality i (item, n);
  if types is null or 0 = any (counts) or array_position(counts, null) is not null or (
    select count(*) <> count(distinct (s.type, s.id)) from unnest(types, ids) s (type, id)
  ) or (
    select count(*) <> count(distinct k - 'fingerprint')
      from jsonb_path_query(batch, '$[*].idempotency') k
      where k <> 'null'
  ) then
    raise exception 'a batch holds appends with events, each of its own stream and key'
      using errcode = 'VA003';
  end if;

  -- 2. Lock the streams that exist, in sorted order: two batches never wait for each other.
  actual := array_fill(0::bigint, array[cardinality(types)]);
  -- Each is looked up by itself: joined, all streams there are would be read in their order, for
  -- as long as the plan is of a time when they were few.
  for stream in
    select i.n, s.version
      from (
        select * from unnest(types, ids) with ordinality u (type, id, n) order by u.type, u.id
      ) i
      cross join lateral (
        select k.version from varve.streams k
          where k.aggregate_type = i.type and k.aggregate_id = i.id
          for update
      ) s
  loop
    actual[stream.n] := stream.version;
  end loop;
  select array_agg(i.expected is null or i.expected = i.actual order by i.n) into won
    from unnest(expected, actual) with ordinality i (expected, actual, n);

  -- 3. Claim the idempotency keys of those that would win; a key that was claimed before is
  --   answered
  -- by its own row. A claim of the same moment is waited for.
  if jsonb_path_exists(batch, '$[*].idempotency.key') then
    with claims as (
      insert into varve.idempotency as k (
        principal, key, fingerprint, aggregate_type, aggregate_id, from_version, to_version
      )
      select i.item->'idempotency'->>'principal', i.item->'idempotency'->>'key',
          i.item->'idempotency'->>'fingerprint', types[i.n], ids[i.n], actual[i.n] + 1,
          actual[i.n] + counts[i.n]
        from jsonb_array_elements(batch) with ordinality i (item, n)
        where won[i.n] and i.item->'idempotency'->>'key' is not null
        order by 1, 2
      on conflict do nothing
      returning k.principal, k.key
    )
    -- As a map, because every join is a nested loop here.
    select coalesce(jsonb_object_agg(jsonb_build_array(c.principal, c.key)::text, true), '{}')
      into claims_made from claims c;
    select array_agg(k.called is not null and claims_made ? k.called order by i.n),
        array_agg(won[i.n] and k.called is not null and not claims_made ? k.called order by i.n),
        array_agg(won[i.n] and (k.called is null or claims_made ? k.called) order by i.n)
      into claimed, replayed, won
      from jsonb_array_elements(batch) with ordinality i (item, n)
      cross join lateral (
        select case when i.item->'idempotency'->>'key' is not null then jsonb_build_array(
          i.item->'idempotency'->>'principal', i.item->'idempotency'->>'key')::text end as called
      ) k;
  end if;

  -- 4. Make the streams that do not exist; whoever makes one first wins it.
  with made as (
    insert into varve.streams as s (aggregate_type, aggregate_id, version, first_at, last_at)
      select i.type, i.id, i.count, at, at
        from unnest(types, ids, counts, actual, won) i (type, id, count, actual, won)
        where i.won and i.actual = 0
        order by i.type, i.id
      on conflict do nothing
      returning s.aggregate_type, s.aggregate_id
  )
  select array_agg(m.aggregate_type), array_agg(m.aggregate_id) into made_types, made_ids
    from made m;
  if cardinality(made_ids) is distinct from (
    select nullif(count(*), 0) from unnest(actual, won) i (actual, won) where i.won and i.actual = 0
  ) then
    select array_agg(i.won and (i.actual > 0 or m.id is not null) order by i.n) into won
      from unnest(types, ids, actual, won) with ordinality i (type, id, actual, won, n)
      left join unnest(made_types, made_ids) m (type, id) on m.type = i.type and m.id = i.id;
  end if;

  -- 5. Recognise what was appended before: where the version does not fit, or any would do.
  outcomes := array_fill(null::text, array[cardinality(types)]);
  versions := array_fill(null::bigint, array[cardinality(types)]);
  positions := versions;
  times := array_fill(null::timestamptz, array[cardinality(types)]);
  for n in 1 .. cardinality(types) loop
    continue when won[n] and (expected[n] is not null or actual[n] = 0);
    select s.version, date_trunc('month', s.first_at, 'UTC'),
        (date_trunc('month', s.last_at at time zone 'UTC') + interval '1 month') at time zone 'UTC'
      into stored_version, first_month, after_last_month
      from varve.streams s
      where s.aggregate_type = types[n] and s.aggregate_id = ids[n];
    -- Planned anew with finished bounds: any other plan would lock every partition there is.
    execute
      'select count(*) as found, max(e.version) as last_version,
           min(e.position) as first_position, min(e.created_at) as stored_at
         from jsonb_array_elements($1) with ordinality x (item, k)
         join varve.events e on e.event_id = (x.item->>''id'')::uuid
         where e.aggregate_type = $2 and e.aggregate_id = $3
           and e.created_at >= $4 and e.created_at < $5
           and ($6 is null or e.version = $6 + x.k)'
      into earlier
      using batch->(n - 1)->'events', types[n], ids[n], first_month, after_last_month, expected[n];
    if earlier.found = counts[n] then
      won[n] := false;
      outcomes[n] := 'already';
      versions[n] := earlier.last_version;
      positions[n] := earlier.first_position;
      times[n] := earlier.stored_at;
    elsif replayed[n] then
      outcomes[n] := 'replayed';
    elsif not won[n] then
      outcomes[n] := 'conflict';
      -- What it was compared with: a stream that was made since may have the expected version.
      versions[n] := case when expected[n] <> actual[n] then actual[n] else stored_version end;
    end if;
  end loop;

  -- A claim of an append that did not win after all is given back.
  if true = any (claimed) then
    delete from varve.idempotency k
      using jsonb_array_elements(batch) with ordinality i (item, n)
      where claimed[i.n] and not won[i.n]
        and k.principal = i.item->'idempotency'->>'principal'
        and k.key = i.item->'idempotency'->>'key';
  end if;

  -- 6. Set the versions of the streams that existed: all of them are there, and found as in 2.
  --   A clock that was set back moves none of them.
  insert into varve.streams as s (aggregate_type, aggregate_id, version, first_at, last_at)
    select i.type, i.id, i.count, at, at
      from unnest(types, ids, counts, actual, won) i (type, id, count, actual, won)
      where i.won and i.actual > 0
    on conflict (aggregate_type, aggregate_id) do update
      set version = s.version + excluded.version, last_at = greatest(s.last_at, excluded.last_at);

  if true = any (won) then
    -- 7. Number under the log lock. Each statement below sees what the last holder committed.
    perform pg_advisory_xact_lock(hashtextextended('varve.log', 0));
    select n.head, n.stored_at, n.layer into head, stored_at, layer_name
      from varve.next_place(app_clock) n;
    if layer_name is null then
      raise exception 'no partition for %', stored_at using errcode = 'VA001';
    end if;
    select p.lower_bound, p.upper_bound, p.first_position into layer
      from varve.event_partitions p
      where p.name = layer_name;
    if layer.first_position is null then
      update varve.event_partitions p set last_position = head
        where p.first_position is not null and p.last_position is null;
      update varve.event_partitions p set first_position = head + 1
        where p.name = layer_name;
    end if;
    -- The bounds of a stream hold its events to the month, even where the clock was set.
    if at < layer.lower_bound or at >= layer.upper_bound then
      update varve.streams s set last_at = stored_at,
          first_at = case when i.actual = 0 then stored_at else s.first_at end
        from unnest(types, ids, actual, won) i (type, id, actual, won)
        where i.won and s.aggregate_type = i.type and s.aggregate_id = i.id;
    end if;

    insert into varve.events (
      position, created_at, event_id, aggregate_type, aggregate_id, version, event_type,
      schema_version, "timestamp", payload, metadata, subject_keys
    )
    select head + row_number() over (order by i.n, x.k), stored_at,
        (x.item->>'id')::uuid, i.type, i.id, i.actual + x.k, x.item->>'type',
        (x.item->>'schemaVersion')::integer,
        coalesce((x.item->>'timestamp')::timestamptz, stored_at),
        x.item->'payload', coalesce(x.item->'metadata', '{}'),
        array(select jsonb_array_elements_text(x.item->'subjectKeys')::uuid)
      from unnest(types, ids, actual, won) with ordinality i (type, id, actual, won, n)
      cross join lateral
        jsonb_array_elements(batch->(i.n - 1)::integer->'events') with ordinality x (item, k)
      where i.won;
  end if;

  return query
    select i.n::integer, coalesce(i.outcome, 'appended'),
        case when i.won then i.actual + i.count else i.version end,
        case when i.won
          then (head + 1 + sum(i.count) filter (where i.won) over (order by i.n) - i.count)::bigint
          else i.position
        end,
        case when i.won then stored_at else i.earlier_at end
      from unnest(counts, actual, won, outcomes, versions, positions, times)
        with ordinality i (count, actual, won, outcome, version, position, earlier_at, n)
      order by i.n;
end
$$;
