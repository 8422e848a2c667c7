-- Pauses a subscription, or lets it go on, on every instance: its holder hears of it at the next
-- renewal of its lease, which it keeps.
--   subscription_name text, paused boolean, why text → true if there is such a subscription
-- Index: subscriptions_pkey. Locks: its row. Idempotent.
create or replace function varve.pause_subscription(
  subscription_name text, paused boolean, why text default null
) returns boolean
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  with changed as (
    update varve.subscriptions s
      set paused_at = case when paused then coalesce(s.paused_at, clock_timestamp()) end,
        pause_reason = case when paused then why end
      where s.name = subscription_name
      returning 1
  )
  select exists (select from changed)
$$;
