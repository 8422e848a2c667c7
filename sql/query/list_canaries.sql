-- Lists the canaries of the master keys.
--   none → kek_id, wrapped (hex), ascending by kek_id
-- Index: none: a handful of rows. Locks: none. Idempotent: reads only.
select c.kek_id, encode(c.wrapped, 'hex') as wrapped from varve.key_canaries c order by c.kek_id;
