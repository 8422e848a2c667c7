-- Looks for settings under which a crash can lose what was acknowledged or tear a page: those of the
-- session, and those that a role or the database sets for sessions to come.
--   none → broken jsonb, total bigint; the first 100
-- Index: the catalogue's own. Locks: none. Idempotent: reads only.
select to_jsonb(b) as broken, count(*) over () as total
  from (
    select x.setting, x.value, x.place
      from (
        select s.name as setting, s.setting as value, 'session' as place from pg_settings s
        union all
        select split_part(o.text, '=', 1), split_part(o.text, '=', 2),
            concat_ws(' ', 'role ' || r.rolname, 'database ' || d.datname)
          from pg_db_role_setting a
          cross join lateral unnest(a.setconfig) o (text)
          left join pg_roles r on r.oid = a.setrole
          left join pg_database d on d.oid = a.setdatabase
          where a.setdatabase = 0 or d.datname = current_database()
      ) x
      where x.setting in ('fsync', 'full_page_writes') and x.value <> 'on'
        or x.setting = 'synchronous_commit'
          and lower(x.value) in ('off', 'local', 'false', 'no', '0')
  ) b
  order by b.place, b.setting
  limit 100;
