-- Stops what the sessions of that application name are running.
--   $1 application name text → cancelled bigint
-- Index: none. Locks: none. Idempotent: yes, what has ended is left alone.
select count(*) filter (where pg_cancel_backend(a.pid)) as cancelled
  from pg_stat_activity a
  where a.application_name = $1 and a.state = 'active' and a.pid <> pg_backend_pid();
