-- Looks for attached partitions without one of the three unique indexes, or with one that is not
-- valid: nothing else keeps positions, versions and ids apart within a month.
--   none → broken jsonb, total bigint; the first 100
-- Index: the catalogue's own. Locks: none. Idempotent: reads only.
select to_jsonb(b) as broken, count(*) over () as total
  from (
    select c.relname as "partition", w.columns as "lacksUniqueIndexOn"
      from pg_inherits i
      join pg_class c on c.oid = i.inhrelid
      cross join (
        values ('position'), ('aggregate_type, aggregate_id, version'), ('event_id')
      ) w (columns)
      where i.inhparent = 'varve.events'::regclass and not exists (
        select from pg_index x
          where x.indrelid = c.oid and x.indisunique and x.indisvalid and x.indislive
            and x.indpred is null and w.columns = (
              select string_agg(a.attname, ', ' order by k.n)
                from unnest(x.indkey) with ordinality k (attnum, n)
                left join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
                where k.n <= x.indnkeyatts
            )
      )
  ) b
  order by b."partition", b."lacksUniqueIndexOn"
  limit 100;
