-- Lets the version that was built serve. See the function.
--   $1 view: text → outcome: text, as the function says, one row
-- Index: see the function. Locks: see the function. Idempotent: yes.
select varve.swap_view($1) as outcome;
