-- Looks for partitions whose bounds are not whole months in UTC, one after the other, or not the
-- same in the register and in the catalogue; and for those that only one of the two has.
--   none → broken jsonb, total bigint; the first 100
-- A partition that an archive takes out is still attached for a while: not while somebody holds the
-- lease of the partitions.
-- The catalogue writes bounds in the session's time zone and style, and they are read back in them.
-- Index: the catalogue's own. Locks: none. Idempotent: reads only.
with catalogue as (
  select c.relname::text as name, regexp_match(
      pg_get_expr(c.relpartbound, c.oid), '^FOR VALUES FROM \(''([^'']+)''\) TO \(''([^'']+)''\)$'
    ) as bounds
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'varve.events'::regclass and not i.inhdetachpending
),
register as (
  select p.name, p.state, p.lower_bound, p.upper_bound,
      lag(p.upper_bound, 1, p.lower_bound) over (order by p.lower_bound) as before
    from varve.event_partitions p
),
judged as (
  select coalesce(p.name, c.name) as name, p.state, p.lower_bound, p.upper_bound, c.bounds, case
      when p.name is null then 'it is attached and not in the register'
      when p.state = 'attached' and c.name is null then 'it is not attached'
      when c.name is not null and (
        p.state = 'archived' or p.state = 'detached' and not exists (
          select from varve.leases l
            where l.subscription = '$partitions' and l.expires_at > clock_timestamp()
        )
      ) then 'it is attached'
      when c.name is not null and (
        c.bounds[1]::timestamptz is distinct from p.lower_bound
        or c.bounds[2]::timestamptz is distinct from p.upper_bound
      ) then 'its bounds in the catalogue are others'
      when p.lower_bound <> date_trunc('month', p.lower_bound, 'UTC')
        or p.upper_bound at time zone 'UTC' <> p.lower_bound at time zone 'UTC' + interval '1 month'
        then 'it is not one whole month in UTC'
      when p.name <> to_char(p.lower_bound at time zone 'UTC', '"events_"YYYY_MM')
        then 'it has the name of another month'
      when p.lower_bound <> p.before then 'it does not follow the partition before'
    end as fault
    from register p
    full join catalogue c on c.name = p.name
)
select
  jsonb_build_object('fault', j.fault, 'partition', j.name, 'state', j.state,
    'lowerBound', j.lower_bound, 'upperBound', j.upper_bound,
    'catalogue', to_jsonb(j.bounds)) as broken,
  count(*) over () as total
  from judged j
  where j.fault is not null
  order by j.name
  limit 100;
