-- Lists subscriptions by name, each with its partitions: where they are, who holds them, what waits.
--   $1 name of a subscription, or of a view for all its versions: text, null for all
--   → head bigint, items jsonb; one row
-- `report` is what the holder says of the partition; nobody's word outlives its lease.
-- Index: tables of a handful of rows; dead_letters_queue. Locks: none. Idempotent: reads only.
with head as materialized (
  select h.position from varve.log_head() h
), listed as (
  select s.name, s.kind, s.wanted_partitions, s.paused_at, s.pause_reason, v.view, v.role,
      v.version, v.made_at
    from varve.subscriptions s
    left join varve.views v on v.name = s.name
    where $1::text is null or s.name = $1 or v.view = $1
), waiting as materialized (
  select d.subscription, d.partition, count(*) as letters,
      count(*) filter (where d.due_at is null and d.error_code <> 'behind-dead-letter') as people
    from varve.dead_letters d
    where d.state = 'waiting'
      and ($1::text is null or d.subscription = any (select n.name from listed n))
    group by d.subscription, d.partition
), parts as (
  select c.subscription, jsonb_agg(jsonb_build_object(
        'partition', c.partition,
        'position', c.position,
        'head', h.position,
        'lagEvents', greatest(0, h.position - c.position),
        'eventsProcessed', c.events_processed,
        'epoch', c.epoch,
        'leased', l.owner is not null,
        'owner', l.owner,
        'report', l.report - '{subscription,partition,epoch}'::text[],
        'reportedAt',
          to_char(l.reported_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'deadLetters', coalesce(w.letters, 0),
        'waitingForPerson', coalesce(w.people, 0)
      ) order by c.partition) as items
    from varve.checkpoints c
    cross join head h
    left join varve.leases l
      on l.subscription = c.subscription and l.partition = c.partition
        and l.expires_at between clock_timestamp() and clock_timestamp() + interval '1 hour'
    left join waiting w on w.subscription = c.subscription and w.partition = c.partition
    group by c.subscription
)
select h.position as head, coalesce(jsonb_agg(jsonb_build_object(
      'name', n.name,
      'kind', n.kind,
      'paused', n.paused_at is not null,
      'pauseReason', n.pause_reason,
      'wantedPartitions', n.wanted_partitions,
      'partitions', coalesce(p.items, '[]')
    ) || jsonb_strip_nulls(
      jsonb_build_object('view', n.view, 'role', n.role, 'version', n.version, 'madeAt',
        to_char(n.made_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    ) order by n.name) filter (where n.name is not null), '[]') as items
  from head h
  left join listed n on true
  left join parts p on p.subscription = n.name
  group by h.position;
