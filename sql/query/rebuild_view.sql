-- Begins to build a view's documents once more, beside those that serve; what is being built in
-- another number of partitions is thrown away. See the function.
--   $1 view: text, $2 partitions: integer or null → building: text or null, one row
-- Index: see the function. Locks: see the function. Idempotent: yes.
select varve.rebuild_view($1, $2::integer) as building;
