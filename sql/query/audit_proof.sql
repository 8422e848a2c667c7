-- Takes the next step of a proof's audit. See the function.
--   $1 subscription: text, $2 partition: integer, $3 positions in one step: integer
--   → more boolean, agrees boolean, blocked text, faults jsonb, one row
-- Index: see the function. Locks: see the function. Idempotent: yes.
select a.more, a.agrees, a.blocked, a.faults from varve.audit_proof($1, $2::integer, $3::integer) a;
