-- Counts the dead letters that wait, those among them that are to be tried now, and those of these
-- that nobody tries: their subscription is paused, or no instance holds it.
--   $1 id: bigint, $2 subscription, $3 error code, $4 key: text, each null for any
--   → waiting, due, unheld bigint; one row
-- Index: dead_letters_queue, leases_pkey. Locks: none. Idempotent: reads only.
select count(*) as waiting,
    count(*) filter (where w.due) as due,
    count(*) filter (where w.due and not w.held) as unheld
  from (
    select coalesce(d.due_at <= clock_timestamp(), false) as due,
        s.paused_at is null and l.owner is not null as held
      from varve.dead_letters d
      left join varve.subscriptions s on s.name = d.subscription
      left join varve.leases l
        on l.subscription = d.subscription and l.partition = d.partition
          and l.expires_at between clock_timestamp() and clock_timestamp() + interval '1 hour'
      where d.state = 'waiting'
        and ($1::bigint is null or d.id = $1)
        and ($2::text is null or d.subscription = $2)
        and ($3::text is null or d.error_code = $3)
        and ($4::text is null or d.key = $4)
  ) w;
