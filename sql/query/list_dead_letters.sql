-- Lists dead letters by id, a page at a time.
--   $1 after id (exclusive): bigint, $2 limit: integer, $3 id: bigint, $4 subscription, $5 state,
--   $6 error code, $7 key: text, each of these null for any
--   → the letter's columns; waits_for text: person | time | letter, null once it is settled;
--   behind_id bigint: the letter in front of it that has to be settled, else null
-- A letter that is due stands still all the same while one in front of it does.
-- Index: dead_letters_pkey, dead_letters_queue. Locks: none. Idempotent: reads only.
select d.id, d.subscription, d.partition, d.kind, d.key, d.stream, d.position, d.event_id,
    d.event_type, d.error_code, d.attempts, d.state, d.reason, d.created_at, d.failed_at, d.due_at,
    d.settled_at,
    case when d.state <> 'waiting' then null
      when d.due_at is not null then 'time'
      when d.error_code = 'behind-dead-letter' then 'letter'
      else 'person' end as waits_for,
    front.id as behind_id
  from varve.dead_letters d
  left join lateral (
    select f.id from (
      (
        select b.id, b.position, b.error_code from varve.dead_letters b
          where b.subscription = d.subscription and b.kind = d.kind and b.key = d.key
            and b.state = 'waiting' and b.position < d.position
          order by b.position
          limit 1
      ) union all (
        select b.id, b.position, b.error_code from varve.dead_letters b
          where b.subscription = d.subscription and b.kind = 'stream' and b.key = d.stream
            and d.kind = 'document' and b.state = 'waiting' and b.position < d.position
          order by b.position
          limit 1
      )
    ) f
    -- One that itself waits behind another cannot be tried: the other one can.
    order by f.error_code = 'behind-dead-letter', f.position
    limit 1
  ) front on d.state = 'waiting' and d.due_at is null and d.error_code = 'behind-dead-letter'
  where d.id > $1::bigint
    and ($3::bigint is null or d.id = $3)
    and ($4::text is null or d.subscription = $4)
    and ($5::text is null or d.state = $5)
    and ($6::text is null or d.error_code = $6)
    and ($7::text is null or d.key = $7)
  order by d.id
  limit $2::integer;
