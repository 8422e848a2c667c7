-- Takes, renews and shares out leases; see sql/function/acquire_leases.sql.
--   $1 owner: uuid, $2 what is wanted: text of a JSON array, $3 duration in milliseconds: integer,
--   $4 reports: text of a JSON array → the columns of each lease held now
-- Index: leases_pkey, checkpoints_pkey. Locks: rows of instances, leases and checkpoints.
-- Idempotent: yes.
select l.subscription, l.partition, l.partitions, l.epoch, l.position, l.barrier, l.paused,
    l.surplus, l.due_in_ms, l.open_letters, l.discards_ahead, l.suspects, l.version, l.fingerprint
  from varve.acquire_leases($1::uuid, $2::text::jsonb, $3::integer, $4::text::jsonb) l;
