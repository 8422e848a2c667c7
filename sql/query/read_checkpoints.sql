-- Reads how far each subscription is: where it has several partitions, as far as the slowest of them.
--   no parameters → subscription text, position bigint, in any order
-- Index: none: a table of a handful of rows. Locks: none. Idempotent: reads only.
select c.subscription, min(c.position) as position
  from varve.checkpoints c
  group by c.subscription;
