-- Records a key whose command changed nothing.
--   $1 principal: text, $2 key: text, $3 fingerprint: text, $4 aggregate type: text,
--     $5 aggregate id: text, $6 version at which it was decided: bigint → claimed: boolean, one row
-- Index: idempotency_pkey. Locks: see the function. Idempotent: yes.
select varve.claim_idempotency($1, $2, $3, $4, $5, $6::bigint) as claimed;
