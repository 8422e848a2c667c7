-- Documents by key of the table that a subscription keeps, whether it serves or not.
--   subscription_name text, keys text[]
--   → json [{key, document, firstPosition, position}] of the keys that exist, in any order
-- Index: the view's primary key. Locks: none. Reads only.
create or replace function varve.read_kept_documents(subscription_name text, keys text[])
returns json
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  target text;
  documents json;
begin
  if cardinality(keys) = 0 then
    return '[]';
  end if;
  select v.table_name into strict target from varve.views v where v.name = subscription_name;
  execute format(
    'select coalesce(json_agg(json_build_object(
         ''key'', d.key, ''document'', d.document,
         ''firstPosition'', d.first_position, ''position'', d.position)), ''[]'')
       from varve_views.%I d where d.key = any ($1)', target
  ) into documents using keys;
  return documents;
end
$$;
