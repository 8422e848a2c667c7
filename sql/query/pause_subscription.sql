-- Pauses a subscription, or lets it go on. See the function.
--   $1 subscription: text, $2 paused: boolean, $3 why: text or null → known: boolean, one row
-- Index: see the function. Locks: see the function. Idempotent: yes.
select varve.pause_subscription($1, $2::boolean, $3::text) as known;
