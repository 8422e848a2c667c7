-- Reads the dead letters of a partition that are to be tried now: in order, and none of which
-- another stands in front that is not to be tried yet.
--   $1 subscription: text, $2 partition: integer, $3 limit: integer
--   → id bigint, kind text, key text, stream text, attempts integer, and the event's columns,
--   ascending by position
-- offset 0 keeps the questions from becoming joins, which would read every letter for each batch.
-- Index: dead_letters_due, dead_letters_queue, events_YYYY_MM_position. Locks: none. Idempotent:
-- reads only.
select d.id, d.kind, d.key, d.stream, d.attempts, e.position, e.created_at, e.event_id,
    e.aggregate_type, e.aggregate_id, e.version, e.event_type, e.schema_version, e."timestamp",
    e.payload, e.metadata
  from (
    select l.id, l.kind, l.key, l.stream, l.attempts, l.position
      from varve.dead_letters l
      where l.subscription = $1 and l.partition = $2::integer and l.state = 'waiting'
        and l.due_at <= clock_timestamp()
        and not exists (
          select from varve.dead_letters b
            where b.subscription = l.subscription and b.kind = l.kind and b.key = l.key
              and b.state = 'waiting' and b.position < l.position
              and (b.due_at is null or b.due_at > clock_timestamp())
            offset 0
        )
        and (l.kind = 'stream' or not exists (
          select from varve.dead_letters b
            where b.subscription = l.subscription and b.kind = 'stream' and b.key = l.stream
              and b.state = 'waiting' and b.position < l.position
            offset 0
        ))
      order by l.position
      limit $3::integer
  ) d
  cross join lateral varve.read_after(d.position - 1, 1) e
  order by d.position;
