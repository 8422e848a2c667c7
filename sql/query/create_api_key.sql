-- Stores the hash of an API key.
--   $1 key id: text, $2 name: text, $3 hash: text (hex), $4 scopes: text of a JSON array →
--     created: boolean, one row
-- Index: api_keys_pkey. Locks: its row. Idempotent: yes.
select varve.create_api_key(
  $1, $2, decode($3, 'hex'), array(select jsonb_array_elements_text($4::text::jsonb))
) as created;
