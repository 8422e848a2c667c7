-- Writes the documents of one page of events together with everything that advance_checkpoint
-- writes: all or nothing, and only for the holder of the epoch, from the position where the
-- checkpoint really is.
--   subscription_name … to_position, taken, letters, settled: as varve.advance_checkpoint has them;
--   changes jsonb: [{key, document | null to remove, firstPosition of the event that made it,
--                    position of the last event folded in}]
--   → true if it was applied
-- Index: as advance_checkpoint, and the view's primary key. Locks: as there, and the rows of the
-- documents. Repeating it is safe: the second call is false.
create or replace function varve.apply_projection(
  subscription_name text, partition_number integer, held_epoch bigint, from_position bigint,
  to_position bigint, taken jsonb, changes jsonb, letters jsonb, settled jsonb
) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  target text;
begin
  if not varve.advance_checkpoint(subscription_name, partition_number, held_epoch, from_position,
      to_position, taken, letters, settled) then
    return false;
  end if;
  if jsonb_array_length(changes) = 0 then
    return true;
  end if;
  select v.table_name into strict target from varve.views v where v.name = subscription_name;
  -- One pass over the changes, which are large.
  execute format(
    'with c as materialized (
         select * from jsonb_to_recordset($1)
           c (key text, document jsonb, "firstPosition" bigint, position bigint)
       ), removed as (
         delete from varve_views.%1$I d using c where d.key = c.key and c.document is null
       )
       insert into varve_views.%1$I as d (key, document, first_position, position)
         select c.key, c.document, c."firstPosition", c.position
           from c where c.document is not null
         on conflict (key) do update set document = excluded.document,
           first_position = excluded.first_position, position = excluded.position',
    target
  ) using changes;
  return true;
end
$$;
