-- Makes a subscription's rows, or brings them up to date; see sql/function/declare_subscription.sql.
--   $1 name, $2 kind: text, $3 partitions: integer, $4 event types and $5 aggregate types: text of
--   JSON arrays, or null for all, $6 start position: bigint, or null for the end → made: boolean, one row
-- Index: subscriptions_pkey, checkpoints_pkey. Locks: see the function. Idempotent: yes.
select varve.declare_subscription(
  $1, $2, $3::integer,
  case when $4::text is not null
    then array(select jsonb_array_elements_text($4::text::jsonb)) end,
  case when $5::text is not null
    then array(select jsonb_array_elements_text($5::text::jsonb)) end,
  $6::bigint
) as made;
