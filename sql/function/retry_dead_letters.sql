-- Has dead letters tried again by whoever holds their subscription: those that match and failed
-- themselves. Those behind them follow by themselves, in order.
--   letter_id bigint, subscription_name text, letter_code text, letter_key text: each null for any
--   → how many
-- Index: dead_letters_pkey, dead_letters_queue. Locks: rows of letters. Idempotent.
create or replace function varve.retry_dead_letters(
  letter_id bigint default null, subscription_name text default null,
  letter_code text default null, letter_key text default null
) returns bigint
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  with due as (
    update varve.dead_letters d set due_at = clock_timestamp()
      where d.state = 'waiting' and d.error_code <> 'behind-dead-letter'
        and (letter_id is null or d.id = letter_id)
        and (subscription_name is null or d.subscription = subscription_name)
        and (letter_code is null or d.error_code = letter_code)
        and (letter_key is null or d.key = letter_key)
      returning 1
  )
  select count(*) from due
$$;
