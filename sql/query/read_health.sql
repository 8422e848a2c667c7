-- Reads what health tells of the database.
--   $1 the application's clock: timestamptz → head bigint; settings, clock, partitions and
--     subscriptions as jsonb; one row
-- What holders say of themselves is a renewal old at most, and goes with a lease that still lives. A
-- subscription whose checkpoint somebody has deleted is told of as one that nobody holds.
-- Index: events_YYYY_MM_position for the head and for the age of what lags, dead_letters_queue,
-- else tables of a handful of rows. Locks: none. Idempotent: reads only.
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
        'missing', c.missing,
        'kind', coalesce(s.kind, 'view'),
        'role', v.role,
        'paused', s.paused_at is not null,
        'pauseReason', s.pause_reason,
        'position', coalesce(c.position, 0),
        'atBarrier', coalesce(c.position >= c.barrier, false),
        'eventsProcessed', coalesce(c.events_processed, 0),
        'lastProgressAt', to_char(
          c.last_progress_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
        ),
        'stillSeconds', extract(epoch from clock_timestamp() - c.last_progress_at),
        'lagSeconds', greatest(0, extract(epoch from clock_timestamp() - t.stored_at)),
        'deadLetters', coalesce(d.letters, 0),
        'proofFaults', coalesce(f.faults, 0),
        -- An end more than an hour away was set while the clock was ahead: varve.acquire_leases.
        'leased', not c.missing and coalesce(l.expires_at > clock_timestamp()
          and l.expires_at <= clock_timestamp() + interval '1 hour', false),
        'report', l.report,
        'replacement', v.role = 'serving' and exists (
          select from varve.views b
            where b.view = v.view and b.role = 'building'
              and (b.version, b.fingerprint) is distinct from (v.version, v.fingerprint)
        )
      ) order by c.subscription, c.partition), '[]')
      from (
        select k.subscription, k.partition, false as missing, k.position, k.barrier,
            k.events_processed, k.last_progress_at
          from varve.checkpoints k
        union all
        -- Few if any; the limit keeps it so cheap in the plan that no server compiles it.
        select b.name, g.partition, true, null, null, null, null
          from (
            select i.name, i.partitions from varve.subscriptions i
              where i.partitions >
                (select count(*) from varve.checkpoints k where k.subscription = i.name)
              limit 100
          ) b
          cross join lateral unnest(array(
            select generate_series(0, b.partitions - 1)
            except select k.partition from varve.checkpoints k where k.subscription = b.name
          )) g (partition)
      ) c
      left join varve.subscriptions s on s.name = c.subscription
      left join varve.views v on v.name = c.subscription
      left join varve.leases l on l.subscription = c.subscription and l.partition = c.partition
      left join varve.read_times_after(
        array(select distinct b.position from varve.checkpoints b where b.position < h.position)
      ) t on t.position = c.position
      left join (
        select w.subscription, w.partition, count(*) as letters
          from varve.dead_letters w
          where w.state = 'waiting'
          group by w.subscription, w.partition
      ) d on d.subscription = c.subscription and d.partition = c.partition
      left join (
        -- Those of a partition that is no more are told of the first.
        select p.subscription, coalesce(k.partition, 0) as partition, count(*) as faults
          from varve.proof_faults p
          left join varve.checkpoints k
            on k.subscription = p.subscription and k.partition = p.partition
          group by 1, 2
      ) f on f.subscription = c.subscription and f.partition = c.partition
  ) as subscriptions
from varve.log_head() h;
