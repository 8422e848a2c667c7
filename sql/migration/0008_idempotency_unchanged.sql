-- A key can stand for a command that changed nothing: its range of versions is empty then, behind
-- the version at which it was decided. A pointer still, never a body.

alter table varve.idempotency drop constraint idempotency_check;
-- Not validated: what is there has passed the stricter check, and appends would wait for the scan.
alter table varve.idempotency
  add constraint idempotency_range check (to_version >= from_version - 1) not valid;
