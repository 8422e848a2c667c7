-- Reads the proof of a subscription with the faults that stand, all of one moment.
--   $1 subscription: text → complete boolean: whether every partition has its checkpoint,
--   partitions jsonb, faults jsonb, one row; none for an unknown name
-- A partition agrees where no fault of the proof stands and the last count of the log was compared;
-- it does not where one stands or the checkpoint was moved by hand; else that is not known: null.
-- Faults are the first hundred.
-- Index: see varve.read_proofs. Locks: none. Idempotent: reads only.
select (
    select count(*) = s.partitions from varve.checkpoints c where c.subscription = s.name
  ) as complete, (
    select coalesce(jsonb_agg(jsonb_build_object(
        'partition', p.partition,
        'position', p.position,
        'from', p.proof_from,
        'taken', jsonb_build_object(
          'count', p.taken_count, 'hash', lpad(to_hex(p.taken_hash), 16, '0')
        ),
        'log', jsonb_build_object(
          'position', p.audited_position, 'count', p.audited_count,
          'hash', lpad(to_hex(p.audited_hash), 16, '0')
        ),
        'deadLetters', p.letters,
        'auditedAt',
          to_char(p.audited_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'agrees', case
          when p.fault_count > 0 or p.proof_position <> p.position then false
          when p.agreed_position = p.audited_position and p.repeat_to is null then true
        end
      ) order by p.partition), '[]')
      from varve.read_proofs(s.name, null) p
  ) as partitions, (
    select coalesce(jsonb_agg(varve.fault_report(n.fault) || jsonb_build_object(
        'foundAt', to_char((n.fault).found_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
      ) order by (n.fault).id), '[]')
      from (
        select g from varve.proof_faults g where g.subscription = s.name order by g.id limit 100
      ) n (fault)
  ) as faults
  from varve.subscriptions s
  where s.name = $1;
