-- Looks for leases that fence nobody: with an epoch above their checkpoint's, none at all, or an end
-- so far away that nobody could take over.
--   none → broken jsonb, total bigint; the first 100
-- Index: none: a handful of rows. Locks: none. Idempotent: reads only.
select to_jsonb(b) as broken, count(*) over () as total
  from (
    select l.subscription, l.partition, l.epoch, c.epoch as "checkpointEpoch",
        l.expires_at as "expiresAt"
      from varve.leases l
      left join varve.checkpoints c
        on c.subscription = l.subscription and c.partition = l.partition
      where l.epoch < 1 or l.epoch > c.epoch or l.partition < 0
        or l.expires_at > clock_timestamp() + interval '1 hour'
  ) b
  order by b.subscription, b.partition
  limit 100;
