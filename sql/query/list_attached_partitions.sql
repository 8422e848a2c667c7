-- Lists the partitions whose events can be read.
--   none → name text; lower_bound (inclusive) and upper_bound (exclusive) timestamptz; oldest first
-- Index: none: a handful of rows. Locks: none. Idempotent: reads only.
select p.name, p.lower_bound, p.upper_bound
  from varve.event_partitions p
  where p.state = 'attached'
  order by p.lower_bound;
