-- Writes the documents of one page of events together with the checkpoint and the dead letters of
-- the events that were put aside: all or nothing, and only for the holder of the epoch, from the
-- position where the checkpoint really is.
--   view_name text, held_epoch bigint, from_position bigint, to_position bigint, events integer,
--   changes jsonb: [{key, document | null to remove, firstPosition of the event that made it,
--                    position of the last event folded in}],
--   letters jsonb: [{key: the stream, position, errorCode}]; a program before they existed leaves
--                  the argument out
--   → true if it was applied; false if the epoch or the position is no longer the caller's
-- The commit does not wait for the disk: after a crash documents and checkpoint are both older by
-- the same page, and the log, which does wait, brings it again.
-- A letter that was there before, as after a rebuild, waits again and counts one attempt more.
-- Index: checkpoints_pkey, the view's primary key, dead_letters' unique key. Locks: the rows of
-- checkpoint, documents and letters.
-- Repeating it is safe: the second call is false.
drop function if exists varve.apply_projection(text, bigint, bigint, bigint, integer, jsonb);
create or replace function varve.apply_projection(
  view_name text, held_epoch bigint, from_position bigint, to_position bigint, events integer,
  changes jsonb, letters jsonb default '[]'
) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  target text;
begin
  perform set_config('synchronous_commit', 'off', true);
  update varve.checkpoints c
    set position = to_position, events_processed = c.events_processed + events,
        last_progress_at = clock_timestamp()
    where c.subscription = view_name and c.partition = 0
      and c.epoch = held_epoch and c.position = from_position and to_position >= from_position;
  if not found then
    return false;
  end if;
  if jsonb_array_length(letters) > 0 then
    insert into varve.dead_letters as d (subscription, key, position, error_code)
      select view_name, l.key, l.position, l."errorCode"
        from jsonb_to_recordset(letters) l (key text, position bigint, "errorCode" text)
      on conflict (subscription, partition, position, key) do update
        set error_code = excluded.error_code, attempts = d.attempts + 1, state = 'waiting',
          reason = null;
  end if;
  if jsonb_array_length(changes) = 0 then
    return true;
  end if;
  select v.table_name into strict target from varve.views v where v.name = view_name;
  execute format(
    'insert into varve_views.%I as d (key, document, first_position, position)
       select c.key, c.document, c."firstPosition", c.position
         from jsonb_to_recordset($1)
           c (key text, document jsonb, "firstPosition" bigint, position bigint)
         where c.document is not null
       on conflict (key) do update set document = excluded.document,
         first_position = excluded.first_position, position = excluded.position',
    target
  ) using changes;
  execute format(
    'delete from varve_views.%I d
       using jsonb_to_recordset($1) c (key text, document jsonb, position bigint)
       where d.key = c.key and c.document is null',
    target
  ) using changes;
  return true;
end
$$;
