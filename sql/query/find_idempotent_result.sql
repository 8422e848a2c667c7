-- Finds what an idempotency key led to: the first answer's version, position and events.
--   $1 principal: text, $2 key: text → fingerprint; version and position: bigint, of the stream when
--     the answer was given; events (jsonb array of {id, type, version, position}, ascending, empty
--     where nothing was changed); no row for a new key
-- Index: idempotency_pkey, then those of read_stream. Locks: none. Idempotent: reads only.
select i.fingerprint, i.to_version as version, answer.position, answer.events
  from varve.find_idempotency($1, $2) i
  -- Where nothing was changed, the event before still tells the position.
  cross join lateral (
    select coalesce(max(e.position), 0) as position,
        coalesce(jsonb_agg(jsonb_build_object(
          'id', e.event_id, 'type', e.event_type, 'version', e.version, 'position', e.position
        ) order by e.version) filter (where e.version >= i.from_version), '[]') as events
      from varve.read_stream(
        i.aggregate_type, i.aggregate_id, least(i.from_version, i.to_version), i.to_version,
        (i.to_version - least(i.from_version, i.to_version) + 1)::integer,
        -- Events are stored with their key, and a clock that is set back moves them by less.
        since => case when i.to_version >= i.from_version then i.created_at - interval '1 day' end
      ) e
  ) answer;
