-- What the release before this one calls as varve.apply_projection, for as long as both run side by
-- side.
--   view_name text, held_epoch bigint, from_position bigint, to_position bigint, events integer,
--   changes jsonb as there; letters jsonb: [{key: the stream, position, errorCode}]
--   → true if it was applied
-- Which positions were taken it does not say: those that the view wants, less the letters.
-- Index: as apply_projection, events_YYYY_MM_position. Locks: as there. Repeating it is safe.
create or replace function varve.apply_projection(
  view_name text, held_epoch bigint, from_position bigint, to_position bigint, events integer,
  changes jsonb, letters jsonb default '[]'
) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  taken jsonb;
  whole jsonb;
begin
  select coalesce(jsonb_agg(e.position), '[]') into taken
    from varve.subscriptions s
    cross join lateral varve.read_after(
      from_position, (to_position - from_position)::integer, s.event_types, to_position
    ) e
    where s.name = view_name and e.position not in (
      select l.position from jsonb_to_recordset(letters) l (position bigint)
    );
  select coalesce(jsonb_agg(jsonb_build_object(
      'key', l.key, 'kind', 'stream', 'stream', l.key, 'position', l.position,
      'errorCode', l."errorCode", 'attempts', 1
    )), '[]') into whole
    from jsonb_to_recordset(letters) l (key text, position bigint, "errorCode" text);
  return varve.apply_projection(
    view_name, 0, held_epoch, from_position, to_position, taken, changes, whole, '[]'
  );
end
$$;
