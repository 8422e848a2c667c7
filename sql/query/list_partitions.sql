-- Lists the partitions of the log, the oldest first.
--   $1 retention in months: integer, null for none → a row each; see below. `due` are those that
--     retention lets go and nobody has restored; `own` where this role may VACUUM and detach it
-- Index: event_partitions is small; the head's. Locks: none. Idempotent: reads only.
select
    p.name,
    p.lower_bound,
    p.upper_bound,
    p.first_position,
    p.last_position,
    coalesce(case when p.first_position is null then 0 else
      coalesce(p.last_position, h.position) - p.first_position + 1 end, 0) as events,
    coalesce(pg_total_relation_size(c.oid), 0) as bytes,
    p.state,
    case when c.oid is null then 'gone'
      when i.inhrelid is null then 'apart'
      when i.inhdetachpending then 'pending'
      else 'attached' end as place,
    p.last_position is not null as closed,
    p.frozen_at,
    p.hold_reason,
    p.archive_place,
    p.archive_digest,
    p.archive_chain,
    p.archived_at,
    coalesce(pg_has_role(c.relowner, 'usage'), false) as own,
    p.upper_bound + make_interval(months => $1::integer) <= clock_timestamp()
      and p.archived_at is null and p.last_position is not null
      and p.hold_reason is null as due
  from varve.event_partitions p
  cross join varve.log_head() h
  left join pg_class c on c.oid = to_regclass(format('varve.%I', p.name))
  left join pg_inherits i on i.inhrelid = c.oid
  order by p.lower_bound;
