-- A page of a view's documents.
--   view_name text; filters jsonb: [{field, compare: eq|gte|lte, value}], compared as text by
--     bytes;
--   newest boolean: latest first document first, else ascending by key; after_position bigint and
--   after_key text: where the page before ended, null for the first; max_documents integer
--   → one row: position (how far the view is, as far as the slowest of its partitions), documents
--     [{key, document, firstPosition, position}]
-- Index: (first_position), or the filter's own; checkpoints_pkey. Locks: none. Reads only. Fields and values are
-- quoted, never spliced.
create or replace function varve.list_documents(
  view_name text, filters jsonb, newest boolean, after_position bigint, after_key text,
  max_documents integer, out "position" bigint, out documents jsonb
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  conditions text := 'true';
  condition record;
begin
  for condition in
    select f.field, f.value,
        case f.compare when 'eq' then '=' when 'gte' then '>=' else '<=' end as operator
      from jsonb_to_recordset(filters) f (field text, compare text, value text)
  loop
    conditions := conditions || format(' and (d.document->>%L) collate "C" %s %L',
      condition.field, condition.operator, condition.value);
  end loop;
  if newest and after_position is not null then
    conditions := conditions || format(' and (d.first_position, d.key) < (%L::bigint, %L)',
      after_position, after_key);
  elsif not newest and after_key is not null then
    conditions := conditions || format(' and d.key > %L', after_key);
  end if;
  execute format(
    'select (select min(c.position) from varve.checkpoints c where c.subscription = %L),
       coalesce((select jsonb_agg(jsonb_build_object(
         ''key'', p.key, ''document'', p.document,
         ''firstPosition'', p.first_position, ''position'', p.position)) from (
           select * from varve_views.%I d where %s order by %s limit %s) p), ''[]'')',
    view_name, view_name, conditions,
    case when newest then 'd.first_position desc, d.key desc' else 'd.key' end,
    max_documents
  ) into position, documents;
end
$$;
