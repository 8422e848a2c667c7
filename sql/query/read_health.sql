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
        'attached', count(*) filter (where p.state = 'attached'),
        'newest', max(p.name) filter (where p.state = 'attached'),
        'closed', count(p.last_position),
        'archived', count(*) filter (where p.state = 'archived'),
        'underWay', coalesce(
          jsonb_agg(p.name) filter (where p.state in ('detached', 'restoring')), '[]'
        )
      )
      from varve.event_partitions p
  ) || (
    -- The first month from now on that has no partition; those after it do not help.
    select jsonb_build_object(
        'nextMissing', to_char(m.at at time zone 'UTC', '"events_"YYYY_MM'),
        'missingFrom', to_char(m.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'missingInSeconds', extract(epoch from m.at - clock_timestamp())
      )
      from (
        select case
          when bool_or(p.lower_bound <= clock_timestamp())
            then min(p.upper_bound) filter (where not exists (
              select from varve.event_partitions n
                where n.lower_bound = p.upper_bound and n.state = 'attached'
            ))
          else date_trunc('month', clock_timestamp(), 'UTC')
        end as at
        from varve.event_partitions p
        where p.state = 'attached' and p.upper_bound > clock_timestamp()
      ) m
  ) || jsonb_build_object('maintenance', (
    select jsonb_build_object(
        'lastRunAt', to_char(u.last_run_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'lastError', u.last_error,
        'failures', u.failures
      )
      from varve.partition_upkeep u
  )) as partitions,
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
        -- Of an event in an archive it is known that it is older than the end of its month.
        'lagSeconds', case when c.position < h.position then (
          select greatest(0, extract(epoch from clock_timestamp() - case
              when p.state = 'attached'
                then (select e.created_at from varve.read_after(c.position, 1) e)
              else p.upper_bound
            end))
            from varve.event_partitions p
            where p.first_position is not null
              and (p.last_position is null or p.last_position > c.position)
            order by p.lower_bound
            limit 1
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
