-- Reads which session of the server runs this.
--   none → pid
-- Index: none. Locks: none. Idempotent: reads only.
select pg_backend_pid() as pid;
