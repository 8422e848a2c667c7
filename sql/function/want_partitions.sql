-- Begins a change of the number of partitions: from now on none of them goes past the position of
-- the furthest, and once all are there `varve.exchange_partitions` makes the new ones.
--   subscription_name text, partition_count integer → nothing
-- Index: checkpoints_pkey. Locks: the rows of the subscription's checkpoints, so that none moves past
-- the barrier while it is set. Idempotent.
create or replace function varve.want_partitions(subscription_name text, partition_count integer)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
begin
  perform from varve.checkpoints c where c.subscription = subscription_name
    order by c.partition for update;
  update varve.checkpoints c set barrier = furthest.position
    from (
      select max(p.position) as position from varve.checkpoints p
        where p.subscription = subscription_name
    ) furthest
    where c.subscription = subscription_name;
  update varve.subscriptions s set wanted_partitions = partition_count
    where s.name = subscription_name;
  perform varve.exchange_partitions(subscription_name);
end
$$;
