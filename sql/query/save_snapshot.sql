-- Stores the state of a stream; see sql/function/save_snapshot.sql.
--   $1 aggregate type: text, $2 aggregate id: text, $3 version and $4 position: bigint,
--     $5 created at: text of a timestamptz, $6 schema version: integer, $7 state: text of JSON,
--     $8 ids of data keys: text of a JSON array → saved boolean
-- Index: snapshots_pkey, streams_pkey. Locks: the row of the snapshot. Idempotent: yes.
select varve.save_snapshot(
    $1, $2, $3::bigint, $4::bigint, $5::text::timestamptz, $6::integer, $7::text::jsonb,
    array(select jsonb_array_elements_text($8::text::jsonb)::uuid)
  ) as saved;
