-- Takes or renews leases; see sql/function/acquire_leases.sql.
--   $1 owner: uuid, $2 subscriptions: text of a JSON array, $3 duration in milliseconds: integer → subscription, epoch, position of each lease held now
-- Index: leases_pkey, checkpoints_pkey. Locks: rows of leases and checkpoints. Idempotent: yes.
select l.subscription, l.epoch, l.position
  from varve.acquire_leases(
    $1::uuid, array(select jsonb_array_elements_text($2::text::jsonb) order by 1), $3::integer
  ) l;
