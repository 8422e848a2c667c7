-- What the server can do at all: streams and events as the append writes them, without its checks.
-- Positions are taken from the head under the log lock, so that the log stays whole.
--   $1 events: integer, $2 payload characters: integer → the number of events, one row
-- Index: those of streams and of the newest partition. Locks: the log lock. Idempotent: no.
with locked as materialized (
  select pg_advisory_xact_lock(hashtextextended('varve.log', 0))
), head as materialized (
  select h.position, greatest(h.created_at, clock_timestamp()) as at
    from locked, varve.log_head() h
), made as materialized (
  select n, gen_random_uuid()::text as id from generate_series(1, $1::integer) n
), streams as (
  insert into varve.streams (aggregate_type, aggregate_id, version, first_at, last_at)
    select 'Bench', m.id, 1, h.at, h.at from made m, head h
), events as (
  insert into varve.events (
    position, created_at, event_id, aggregate_type, aggregate_id, version, event_type,
    schema_version, "timestamp", payload, metadata
  )
  select h.position + m.n, h.at, gen_random_uuid(), 'Bench', m.id, 1, 'BenchAppended', 1, h.at,
      jsonb_build_object('filler', repeat('x', $2::integer)),
      jsonb_build_object('requestId', gen_random_uuid())
    from made m, head h
  returning 1
)
select count(*) as events from events;
