-- Drops a version of a view that does not serve. See the function.
--   $1 view, $2 role: text → dropped: boolean, one row
-- Index: see the function. Locks: see the function. Idempotent: yes.
select varve.drop_view_version($1, $2) as dropped;
