-- Finds what an idempotency key led to: the first answer's events.
--   $1 principal: text, $2 key: text → fingerprint, aggregate_type, aggregate_id, from_version,
--     events (jsonb array of {id, type, version, position}, ascending); no row for a new key
-- Index: idempotency_pkey, then those of read_stream. Locks: none. Idempotent: reads only.
select i.fingerprint, i.aggregate_type, i.aggregate_id, i.from_version, (
    select jsonb_agg(jsonb_build_object(
        'id', e.event_id, 'type', e.event_type, 'version', e.version, 'position', e.position
      ) order by e.version)
      from varve.read_stream(
        i.aggregate_type, i.aggregate_id, i.from_version, i.to_version,
        (i.to_version - i.from_version + 1)::integer
      ) e
  ) as events
  from varve.idempotency i
  where i.principal = $1 and i.key = $2;
