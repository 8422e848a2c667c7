-- Lists the master keys that living data keys need.
--   none → kek_id, ascending
-- Index: none: once at the start. Locks: none. Idempotent: reads only.
select distinct k.kek_id from varve.subject_keys k where k.wrapped is not null order by k.kek_id;
