-- Who may call, what is remembered of it, and the role that a service connects with.

create table varve.api_keys (
  key_id text primary key,
  name text not null,
  -- SHA-256 of the whole key; its 256 random bits make a slow hash pointless.
  key_hash bytea not null unique check (octet_length(key_hash) = 32),
  scopes text[] not null check (cardinality(scopes) > 0),
  created_at timestamptz not null default clock_timestamp(),
  revoked_at timestamptz
);

create table varve.audit_log (
  sequence bigint primary key,
  at timestamptz not null default clock_timestamp(),
  actor text not null,
  action text not null,
  subject_hash bytea,
  request_id text,
  details jsonb not null default '{}',
  previous_hash bytea not null,
  entry_hash bytea not null
);

-- The role of a running service: it reads, and writes through the functions alone. Where the
-- migrating user may not create roles, an operator makes it, and the grants follow at the next
-- migration.
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'varve_app') then
    create role varve_app nologin;
  end if;
exception
  when insufficient_privilege then
    raise notice 'role varve_app was not created: the migrating user may not create roles';
  when duplicate_object or unique_violation then
    null; -- another database of the same server made it at the same moment
end
$$;
