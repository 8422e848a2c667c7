-- Appends a batch of events; see sql/function/append_events.sql.
--   $1 batch: text of a JSON array, $2 the application's clock: timestamptz, or null → append,
--     outcome, version, position, created_at; one row an append, in order
-- Index: streams_pkey and the indexes of the newest partition. Locks: see the function.
-- Idempotent: yes, by event ids.
select a.append, a.outcome, a.version, a.position, a.created_at
  from varve.append_events($1::text::jsonb, $2::timestamptz) a;
