-- Compares a page of the documents that two subscriptions keep, key by key, as of one moment.
--   left_subscription, right_subscription text; after_key text: where the page before ended, null
--   for the first; page_size integer: documents of either to read; only_keys text[]: look at these
--   instead, or null; agreed_position bigint: what was missing at a look that neither had been past
--   this, is missing for good (null: the first look); shown_max integer
--   → one row, none where one of the two keeps no documents: left_low, left_high, right_low,
--   right_high: positions of the last and the first of their partitions; compared and how many of
--   them are equal, different, only_left, only_right, moving; shown jsonb [{key, what, fields}]: the
--   first of those that differ, ascending; uncertain_keys jsonb [key]; last_key text: where the next
--   page begins, null at the end
-- moving: an event that not all partitions of both have passed made the document what it is.
-- uncertain: it is missing where an event that the other has not come to may have removed it.
-- No value leaves it but keys and names of fields, at most fifty of a document.
-- Index: the primary keys of both tables. Locks: none. Reads only. Names are quoted, never spliced.
create or replace function varve.compare_documents(
  left_subscription text, right_subscription text, after_key text, page_size integer,
  only_keys text[], agreed_position bigint, shown_max integer
) returns table (
  left_low bigint, left_high bigint, right_low bigint, right_high bigint, compared bigint,
  equal bigint, different bigint, only_left bigint, only_right bigint, moving bigint,
  shown jsonb, uncertain_keys jsonb, last_key text
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  left_table text;
  right_table text;
begin
  select v.table_name into left_table from varve.views v where v.name = left_subscription;
  select v.table_name into right_table from varve.views v where v.name = right_subscription;
  if left_table is null or right_table is null then
    return;
  end if;
  return query execute format(
    'with reached as (
       select min(c.position) filter (where c.subscription = $1) as left_low,
           max(c.position) filter (where c.subscription = $1) as left_high,
           min(c.position) filter (where c.subscription = $2) as right_low,
           max(c.position) filter (where c.subscription = $2) as right_high,
           min(c.position) as low
         from varve.checkpoints c where c.subscription in ($1, $2)
     ), l as materialized (
       select d.key, d.document, d.position from varve_views.%1$I d
         where %3$s order by d.key limit $4
     ), r as materialized (
       select d.key, d.document, d.position from varve_views.%2$I d
         where %3$s order by d.key limit $4
     ), seen as (
       -- Past the last key of a full page there may be more of it.
       select least((select max(l.key) from l having count(*) = $4),
         (select max(r.key) from r having count(*) = $4)) as key
     ), pairs as (
       select coalesce(l.key, r.key) as key, l.document as a, r.document as b,
           greatest(l.position, r.position) as position
         from l full join r on r.key = l.key
         cross join seen s
         where s.key is null or coalesce(l.key, r.key) <= s.key
     ), judged as (
       select p.key, p.a, p.b, case
           when p.a = p.b then ''equal''
           when p.position > e.low then ''moving''
           when p.a is not null and p.b is not null then ''different''
           when case when p.a is null then e.left_high else e.right_high end > e.low
             and coalesce(p.position > $6, true) then ''uncertain''
           when p.b is null then ''onlyLeft''
           else ''onlyRight'' end as what
         from pairs p cross join reached e
     )
     select e.left_low, e.left_high, e.right_low, e.right_high, n.*, (
         select coalesce(jsonb_agg(jsonb_build_object(
             ''key'', f.key, ''what'', f.what, ''fields'', f.fields) order by f.key), ''[]'')
           from (
             select j.key, j.what, (
                 select coalesce(jsonb_agg(k.name order by k.name), ''[]'') from (
                   select o.name from (
                       select jsonb_object_keys(j.a) union select jsonb_object_keys(j.b)
                     ) o (name)
                     where j.a -> o.name is distinct from j.b -> o.name and j.what = ''different''
                     order by o.name
                     limit 50
                 ) k
               ) as fields
               from judged j where j.what in (''different'', ''onlyLeft'', ''onlyRight'')
               order by j.key
               limit $7
           ) f
       ), (
         select coalesce(jsonb_agg(j.key order by j.key), ''[]'')
           from judged j where j.what = ''uncertain''
       ), s.key
       from reached e
       cross join seen s
       cross join (
         select count(*), count(*) filter (where j.what = ''equal''),
             count(*) filter (where j.what = ''different''),
             count(*) filter (where j.what = ''onlyLeft''),
             count(*) filter (where j.what = ''onlyRight''),
             count(*) filter (where j.what = ''moving'')
           from judged j
       ) n',
    left_table, right_table,
    case when only_keys is null then '($3::text is null or d.key > $3)'
      else 'd.key = any ($5)' end
  ) using left_subscription, right_subscription, after_key, page_size, only_keys, agreed_position,
    shown_max;
end
$$;
