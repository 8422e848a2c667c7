-- Documents of a view by key, with how far the view is at the same moment: where it has several
-- partitions, as far as the slowest of them.
--   view_name text, keys text[]
--   → one row: position, documents [{key, document, firstPosition, position}] of the keys that
--     exist,
--     in any order
-- Index: the view's primary key, checkpoints_pkey. Locks: none. Reads only.
create or replace function varve.read_documents(
  view_name text, keys text[], out "position" bigint, out documents jsonb
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format(
    'select (select min(c.position) from varve.checkpoints c where c.subscription = $1),
       coalesce((select jsonb_agg(jsonb_build_object(
         ''key'', d.key, ''document'', d.document,
         ''firstPosition'', d.first_position, ''position'', d.position))
         from varve_views.%I d where d.key = any ($2)), ''[]'')', view_name
  ) into position, documents using view_name, keys;
end
$$;
