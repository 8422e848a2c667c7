-- Reads what a server is and what the session may do there, also before anything is migrated.
--   none → version_number integer, version text, standby boolean, at timestamptz;
--     tls text (null: not encrypted); superuser boolean; owner, may_append and may_insert boolean
--     (null: there is no such table or function yet); fsync, full_page_writes and
--     synchronous_commit text; size_bytes bigint; one row
-- Index: the catalogue's own. Locks: none. Idempotent: reads only.
select
  current_setting('server_version_num')::integer as version_number,
  current_setting('server_version') as version,
  pg_is_in_recovery() as standby,
  clock_timestamp() as at,
  (select s.version from pg_stat_ssl s where s.pid = pg_backend_pid() and s.ssl) as tls,
  (select r.rolsuper from pg_roles r where r.rolname = current_user) as superuser,
  (
    select pg_has_role(c.relowner, 'member') from pg_class c
      where c.oid = to_regclass('varve.events')
  ) as owner,
  has_function_privilege(to_regprocedure('varve.append_events(jsonb)')::oid, 'execute')
    as may_append,
  has_table_privilege(to_regclass('varve.events')::oid, 'insert') as may_insert,
  current_setting('fsync') as fsync,
  current_setting('full_page_writes') as full_page_writes,
  current_setting('synchronous_commit') as synchronous_commit,
  pg_database_size(current_database()) as size_bytes;
