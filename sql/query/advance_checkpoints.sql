-- Moves checkpoints past events that their subscriptions do not want, many at once.
--   $1 moves: text of a JSON array of {subscription, partition, epoch, from, to}
--   → subscription: text, partition: integer, applied: boolean, one row each, but for those whose
--     row somebody else holds
-- Index: checkpoints_pkey. Locks: the rows of the checkpoints that are free. Idempotent: yes, by
-- position.
select subscription, partition, applied from varve.advance_checkpoints($1::text::jsonb);
