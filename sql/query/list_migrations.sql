-- Lists what a migration has applied.
--   none → kind (migration or function), name, checksum, breaking, applied_at; in order of name
-- Index: none: a handful of rows. Locks: none. Idempotent: reads only.
select m.kind, m.name, m.checksum, m.breaking, m.applied_at
  from varve.schema_migrations m
  order by m.kind desc, m.name;
