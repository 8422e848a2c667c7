-- Stores the canary of a master key, once.
--   $1 master key id: text, $2 wrapped: text (hex) → one row, void
-- Index: key_canaries_pkey. Locks: its row. Idempotent: yes.
select varve.claim_canary($1, decode($2, 'hex'));
