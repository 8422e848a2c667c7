-- Looks for subscriptions that have skipped positions or taken them twice, for checkpoints that were
-- moved past their proof, and for proofs that no longer agree with the log although they did.
--   none → broken jsonb, total bigint; the first 100
-- Index: see varve.read_proofs. Locks: none. Idempotent: reads only.
select to_jsonb(b) as broken, count(*) over () as total
  from (
    select f.subscription, f.partition, f.kind, f.after_position as "afterPosition",
        f.to_position as "toPosition", f.positions,
        case when f.named_to = f.to_position then abs(f.count_delta) end as total
      from varve.proof_faults f
    union all
    select p.subscription, p.partition, 'moved', p.proof_position, p.position, '{}', null
      from varve.read_proofs(null, null) p
      where p.proof_position <> p.position
    union all
    select p.subscription, p.partition, 'unexplained', p.agreed_position, p.position, '{}',
        abs(p.unexplained_count)
      from varve.read_proofs(null, null) p
      where p.proof_position = p.position and p.audited_position = p.position
        and p.agreed_position = p.position and p.repeat_to is null and p.named
        and (p.unexplained_count, p.unexplained_hash) <> (0, 0)
  ) b
  order by b.subscription, b.partition, b."afterPosition", b.kind
  limit 100;
