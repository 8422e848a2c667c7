-- Fills a month of the log with what appends would have left of it: events, streams and register.
-- Months are filled from the oldest to the newest; one that has events already is left as it is.
--   $1 months ago: integer, $2 events of ordinary streams: integer, $3 events of each of these:
--     integer, $4 payload characters: integer, $5 further streams, whose events lie evenly over the
--     month: text of [{id: text, events: integer}] → the number of events, one row
-- Index: those of streams and of the month's partition. Locks: none that appends would wait for,
-- so that nobody may append meanwhile. Idempotent: yes.
with layer as materialized (
  select p.name, p.lower_bound as lower_at,
      least(p.upper_bound, clock_timestamp()) - p.lower_bound as span,
      ceil($2::integer::float8 / $3::integer)::integer as streams
    from varve.event_partitions p
    where p.first_position is null and p.lower_bound = (
      date_trunc('month', now() at time zone 'UTC') - make_interval(months => $1::integer)
    ) at time zone 'UTC'
), head as materialized (
  select h.position from varve.log_head() h
), ordinary as (
  -- The events of a stream lie a stream's number apart, as those of concurrent writers do.
  select s.id, k + 1 as version, (s.n + k * l.streams + 0.5) / $2::integer as place
    from layer l
    cross join lateral (
      -- Ids follow time, as a UUID of version 7 does, or the index would be filled at random.
      select n, (lpad(to_hex((extract(epoch from l.lower_at + l.span * (n / $2::integer::float8))
            * 1000)::bigint), 12, '0')
          || '7' || substr(md5(l.name || n), 14, 3) || '8' || substr(md5(l.name || n), 18)
        )::uuid::text as id
        from generate_series(0, l.streams - 1) n
    ) s
    cross join generate_series(0, $3::integer - 1) k
    where s.n + k * l.streams < $2::integer
), further as (
  select f.id, coalesce(s.version, 0) + k as version, (k - 0.5) / f.events as place
    from layer l
    cross join jsonb_to_recordset($5::text::jsonb) f (id text, events integer)
    left join varve.streams s on s.aggregate_type = 'Bench' and s.aggregate_id = f.id
    cross join lateral generate_series(1, f.events) k
), entry as materialized (
  select e.id, e.version, l.lower_at + l.span * e.place as at,
      row_number() over (order by e.place, e.id) as n
    from layer l
    cross join (select * from ordinary union all select * from further) e
), stored as (
  insert into varve.events (
    position, created_at, event_id, aggregate_type, aggregate_id, version, event_type,
    schema_version, "timestamp", payload, metadata
  )
  select h.position + e.n, e.at,
      (lpad(to_hex((extract(epoch from e.at) * 1000)::bigint), 12, '0') || '7'
        || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid,
      'Bench', e.id, e.version, 'BenchAppended', 1, e.at,
      jsonb_build_object('filler', repeat('x', $4::integer)),
      jsonb_build_object('requestId', gen_random_uuid())
    from entry e cross join head h
    order by e.n
), settled as (
  update varve.event_partitions p set last_position = h.position
    from head h, layer l
    where p.first_position is not null and p.last_position is null
), opened as (
  update varve.event_partitions p set first_position = h.position + 1
    from head h, layer l
    where p.name = l.name
), told as (
  insert into varve.streams as s (aggregate_type, aggregate_id, version, first_at, last_at)
    select 'Bench', e.id, max(e.version), min(e.at), max(e.at)
      from entry e group by e.id order by min(e.n)
    on conflict (aggregate_type, aggregate_id) do update
      set version = excluded.version, last_at = excluded.last_at
)
select count(*) as events from entry;
