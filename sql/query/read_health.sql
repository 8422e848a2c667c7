-- Reads what health tells of the database.
--   $1 the application's clock: timestamptz → head bigint; settings, clock, partitions and
--     subscriptions as jsonb; one row
-- Index: the head's, else tables of a handful of rows. Locks: none. Idempotent: reads only.
select
  h.position as head,
  jsonb_build_object(
    'fsync', current_setting('fsync'),
    'fullPageWrites', current_setting('full_page_writes'),
    'synchronousCommit', current_setting('synchronous_commit'),
    'version', current_setting('server_version')
  ) as settings,
  jsonb_build_object(
    'skewSeconds', extract(epoch from clock_timestamp() - $1::timestamptz),
    'appendsStopped', varve.is_clock_ahead(clock_timestamp(), h.created_at, $1::timestamptz)
  ) as clock,
  (
    select jsonb_build_object(
        'attached', count(*),
        'newest', max(p.name),
        'preparedUntil', to_char(
          max(p.upper_bound) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'
        )
      )
      from varve.event_partitions p
      where p.state = 'attached'
  ) as partitions,
  (
    select coalesce(jsonb_agg(jsonb_build_object(
        'name', c.subscription,
        'partition', c.partition,
        'position', c.position,
        'eventsProcessed', c.events_processed,
        'lastProgressAt', to_char(
          c.last_progress_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
        ),
        'stillSeconds', extract(epoch from clock_timestamp() - c.last_progress_at),
        'lagSeconds', case when c.position < h.position then (
          select greatest(0, extract(epoch from clock_timestamp() - e.created_at))
            from varve.read_after(c.position, 1) e
        ) else 0 end,
        'deadLetters', (
          select count(*) from varve.dead_letters d
            where d.subscription = c.subscription and d.partition = c.partition
              and d.state = 'waiting'
        ),
        'leased', coalesce((
          select l.expires_at > clock_timestamp() from varve.leases l
            where l.subscription = c.subscription and l.partition = c.partition
        ), false)
      ) order by c.subscription, c.partition), '[]')
      from varve.checkpoints c
  ) as subscriptions
from varve.log_head() h;
