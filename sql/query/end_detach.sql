-- Ends the sessions of detachments whose program is gone: they could go on later, and detach what
-- was attached again meanwhile. Whoever holds the lease may.
--   none → ended: bigint, one row
-- Index: none, the activity's own. Locks: none. Idempotent: yes.
select count(*) as ended from (
  select pg_terminate_backend(a.pid, 5000)
    from pg_stat_activity a
    where a.datname = current_database() and a.usename = current_user
      and a.pid <> pg_backend_pid()
      and a.application_name = current_setting('application_name')
      and a.query ilike 'alter table varve.events detach %'
) s;
