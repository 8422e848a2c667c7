-- Takes or renews leases; see sql/function/acquire_leases.sql.
--   $1 owner: uuid, $2 views: text of a JSON array of {name, version}, $3 duration in
--     milliseconds: integer → subscription, epoch, position of each lease held now
-- Index: leases_pkey, checkpoints_pkey. Locks: rows of leases and checkpoints. Idempotent: yes.
select l.subscription, l.epoch, l.position
  from varve.acquire_leases($1::uuid, $2::text::jsonb, $3::integer) l;
