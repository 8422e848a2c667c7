-- Records a key whose command changed nothing, at the version at which that was decided. The key of
-- a command with events is claimed by append_events.
--   principal, key, fingerprint, aggregate_type, aggregate_id text, version bigint (0: no stream)
--   → true; false where the key was claimed before
-- Index: idempotency_pkey. Locks: the new row; a claim of the same moment is waited for. Idempotent:
-- a repetition answers false, and the key leads to what it did.
create or replace function varve.claim_idempotency(
  principal text, key text, fingerprint text, aggregate_type text, aggregate_id text,
  version bigint
) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
#variable_conflict use_variable
begin
  -- What is answered must be durable, whatever the session was set to.
  if current_setting('synchronous_commit') in ('off', 'local') then
    perform set_config('synchronous_commit', 'on', true);
  end if;
  insert into varve.idempotency (
      principal, key, fingerprint, aggregate_type, aggregate_id, from_version, to_version
    ) values (principal, key, fingerprint, aggregate_type, aggregate_id, version + 1, version)
    on conflict do nothing;
  return found;
end
$$;
