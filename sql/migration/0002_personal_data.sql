-- Personal data: wrapped data keys, and what erasure and search need of the formats.

create table varve.subject_keys (
  key_id uuid primary key,
  tenant text not null default 'default',
  -- A keyed hash: the id of the person is not in this table.
  subject_hash bytea not null check (octet_length(subject_hash) = 32),
  -- A person who returns after an erasure gets a new incarnation; old data stays dead.
  incarnation integer not null default 1 check (incarnation > 0),
  status text not null default 'active' check (status in ('active', 'retired', 'shredded')),
  -- Null once shredded: the row remains as the tombstone that says "erased", not "lost".
  wrapped bytea check (octet_length(wrapped) = 62),
  kek_id text not null,
  created_at timestamptz not null default clock_timestamp(),
  shredded_at timestamptz,
  check ((status = 'shredded') = (wrapped is null))
);

-- One active key for each subject, however many processes meet a new one at once.
create unique index subject_keys_active on varve.subject_keys (tenant, subject_hash)
  where status = 'active';

-- One value wrapped under each master key: wrong bytes under a right id are found at the start.
create table varve.key_canaries (
  kek_id text primary key,
  wrapped bytea not null check (octet_length(wrapped) = 62)
);

create table varve.erasures (
  erasure_id uuid primary key,
  tenant text not null default 'default',
  subject_hash bytea not null check (octet_length(subject_hash) = 32),
  requested_at timestamptz not null default clock_timestamp(),
  completed_at timestamptz,
  receipt jsonb
);

-- After its fence stands, no append that names the subject succeeds and no key is made for it.
create table varve.subject_fences (
  tenant text not null default 'default',
  subject_hash bytea not null check (octet_length(subject_hash) = 32),
  incarnation integer not null check (incarnation > 0),
  erasure_id uuid not null references varve.erasures (erasure_id),
  fenced_at timestamptz not null default clock_timestamp(),
  primary key (tenant, subject_hash, incarnation)
);

create table varve.blind_index (
  tenant text not null default 'default',
  -- The declared index and its normaliser: order.contact.email#email.v1
  index_name text not null,
  digest bytea not null,
  view_name text not null,
  document_key text not null,
  key_id uuid not null,
  primary key (tenant, index_name, digest, view_name, document_key)
);
create index blind_index_key on varve.blind_index (key_id);
