-- Whether whoever wants the one list of types wants all of the other.
--   wide text[], narrow text[]: null for all types → boolean
-- Index: none. Locks: none. Reads only its arguments. Idempotent.
create or replace function varve.covers(wide text[], narrow text[]) returns boolean
language sql immutable parallel safe
as $$
  select wide is null or coalesce(narrow <@ wide, false)
$$;
