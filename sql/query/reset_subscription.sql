-- Lets a subscription begin again after a position. See the function.
--   $1 subscription: text, $2 position: bigint → outcome: text, as the function says, one row
-- Index: see the function. Locks: see the function. Idempotent: yes.
select varve.reset_subscription($1, $2::bigint) as outcome;
