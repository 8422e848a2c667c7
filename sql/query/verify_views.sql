-- Looks for views that lack their table or checkpoint, or, of the version that serves, the SQL view.
--   none → broken jsonb, total bigint; the first 100
-- Not by to_regclass, which looks past the statement's snapshot and would see half of a change.
-- Index: the catalogue's own, views_pkey, checkpoints_pkey. Locks: none. Idempotent: reads only.
select to_jsonb(b) as broken, count(*) over () as total
  from (
    select v.name, v.version, v.table_name as "table", lacks.what as lacks
      from varve.views v
      cross join lateral (
        select 'table' as what where not exists (
          select from pg_class c
            where c.relnamespace = 'varve_views'::regnamespace and c.relkind = 'r'
              and c.relname = v.table_name
        )
        union all
        select 'view' where v.role = 'serving' and not exists (
          select from pg_class c
            where c.relnamespace = 'varve_views'::regnamespace and c.relkind = 'v'
              and c.relname = v.view
        )
        union all
        select 'checkpoint' where not exists (
          select from varve.checkpoints c where c.subscription = v.name
        )
      ) lacks
  ) b
  order by b.name, b.lacks
  limit 100;
