-- Looks for events of one partition that need a data key without a row. A shredded key has one.
--   $1 lower bound, $2 upper bound timestamptz → broken jsonb, total bigint; the first 100
-- Index: none of the partition, which is read once; subject_keys_pkey or none. Locks: none.
-- Idempotent: reads only.
select to_jsonb(b) as broken, count(*) over () as total
  from (
    select e.position, k.key_id as "keyId"
      from varve.events e
      cross join lateral unnest(e.subject_keys) k (key_id)
      where e.created_at >= $1::timestamptz and e.created_at < $2::timestamptz
        and not exists (select from varve.subject_keys s where s.key_id = k.key_id)
  ) b
  order by b.position, b."keyId"
  limit 100;
