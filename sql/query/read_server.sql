-- Reads what a server is and what the session may do there, also before anything is migrated.
--   none → version_number integer, version text, standby boolean, at timestamptz;
--     tls text (null: not encrypted); superuser boolean; owner, may_append and may_insert boolean
--     (null: there is no such table or function yet); fsync, full_page_writes and
--     synchronous_commit text; size_bytes bigint; one row
-- The catalogue is asked, since to_regclass fails where a role may not look into the schema.
-- Index: the catalogue's own. Locks: none. Idempotent: reads only.
select
  current_setting('server_version_num')::integer as version_number,
  current_setting('server_version') as version,
  pg_is_in_recovery() as standby,
  clock_timestamp() as at,
  (select s.version from pg_stat_ssl s where s.pid = pg_backend_pid() and s.ssl) as tls,
  (select r.rolsuper from pg_roles r where r.rolname = current_user) as superuser,
  log.owner,
  log.may_append,
  log.may_insert,
  current_setting('fsync') as fsync,
  current_setting('full_page_writes') as full_page_writes,
  current_setting('synchronous_commit') as synchronous_commit,
  pg_database_size(current_database()) as size_bytes
from (select 1) here
left join (
  select
    pg_has_role(c.relowner, 'member') as owner,
    has_schema_privilege(n.oid, 'usage') and has_function_privilege(p.oid, 'execute') as may_append,
    has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'insert') as may_insert
    from pg_namespace n
    join pg_class c on c.relnamespace = n.oid and c.relname = 'events'
    join pg_proc p on p.pronamespace = n.oid and p.proname = 'append_events'
    where n.nspname = 'varve'
) log on true;
