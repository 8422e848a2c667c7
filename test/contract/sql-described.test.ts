import { afterAll, beforeAll, expect, test } from "bun:test";

import { queries } from "#store/statements.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { openSql } from "#test/support/pools.ts";

const eventColumns = [
  "position bigint",
  "created_at timestamptz",
  "event_id uuid",
  "aggregate_type text",
  "aggregate_id text",
  "version bigint",
  "event_type text",
  "schema_version integer",
  "timestamp timestamptz",
  "payload jsonb",
  "metadata jsonb",
].join(", ");

const keyColumns = [
  "key_id uuid",
  "subject_hash text",
  "wrapped text",
  "kek_id text",
  "status text",
].join(", ");

const letterColumns = [
  "id bigint",
  "subscription text",
  "partition integer",
  "kind text",
  "key text",
  "stream text",
  "position bigint",
  "event_id uuid",
  "event_type text",
  "error_code text",
  "attempts integer",
  "state text",
  "reason text",
  "created_at timestamptz",
  "failed_at timestamptz",
  "due_at timestamptz",
  "settled_at timestamptz",
  "waits_for text",
  "behind_id bigint",
].join(", ");

const partitionColumns = [
  "name text",
  "lower_bound timestamptz",
  "upper_bound timestamptz",
  "first_position bigint",
  "last_position bigint",
  "events bigint",
  "bytes bigint",
  "state text",
  "place text",
  "closed boolean",
  "frozen_at timestamptz",
  "hold_reason text",
  "archive_place text",
  "archive_digest text",
  "archive_chain text",
  "archived_at timestamptz",
  "own boolean",
  "due boolean",
].join(", ");

/** What the migrated database says of each statement: its parameters, then its columns. */
const described: Readonly<Record<keyof typeof queries, string>> = {
  abandonRestore: "uuid, text → abandon_restore void",
  acquireLeases: `uuid, text, integer, text → ${[
    "subscription text",
    "partition integer",
    "partitions integer",
    "epoch bigint",
    "position bigint",
    "barrier bigint",
    "paused boolean",
    "surplus boolean",
    "due_in_ms double precision",
    "open_letters boolean",
    "discards_ahead boolean",
    "suspects jsonb",
    "version integer",
    "fingerprint text",
  ].join(", ")}`,
  acquirePartitionLease: "uuid, integer → held boolean",
  advanceCheckpoint: "text, integer, bigint, bigint, bigint, text, text, text → applied boolean",
  advanceCheckpoints: "text → subscription text, partition integer, applied boolean",
  appendEvents:
    "text, timestamptz → append integer, outcome text, version bigint, position bigint, created_at timestamptz",
  applyProjection:
    "text, integer, bigint, bigint, bigint, text, text, text, text → applied boolean",
  attachPartition: "uuid, text → attach_partition void",
  auditProof: "text, integer, integer → more boolean, agrees boolean, blocked text, faults jsonb",
  beginArchive: "uuid, text → kept text",
  beginRestore: "uuid, text → reached bigint",
  benchCeiling: "integer, integer → events bigint",
  benchFillMonth: "integer, integer, integer, integer, text → events bigint",
  benchMakeMonths: "integer → name text",
  cancelStatements: "text → cancelled bigint",
  claimCanary: "text, text → claim_canary void",
  claimIdempotency: "text, text, text, text, text, bigint → claimed boolean",
  claimSubjectKeys: `text → ${keyColumns}`,
  closePartitions: "integer, timestamptz → name text",
  compareDocuments: `text, text, text, integer, text, bigint, integer → ${[
    "left_low bigint",
    "left_high bigint",
    "right_low bigint",
    "right_high bigint",
    "compared bigint",
    "equal bigint",
    "different bigint",
    "only_left bigint",
    "only_right bigint",
    "moving bigint",
    "shown jsonb",
    "uncertain_keys jsonb",
    "last_key text",
  ].join(", ")}`,
  countDeadLetters: "bigint, text, text, text → waiting bigint, due bigint, unheld bigint",
  createApiKey: "text, text, text, text → created boolean",
  declareSubscription: "text, text, integer, text, text, bigint → made boolean",
  discardDeadLetter: "bigint, text → discarded boolean",
  dropSnapshots: "text, text, integer → removed bigint",
  dropViewVersion: "text, text → dropped boolean",
  ensureNextPartition: "timestamptz → name text",
  endDetach: "none → ended bigint",
  ensurePartitions: "integer, timestamptz → name text",
  ensureView: "text, integer, text, text, text, integer, bigint, text → made boolean",
  expireIdempotency: "bigint, integer, timestamptz → expired bigint",
  findActiveKeys: `text, text → ${keyColumns}`,
  findAggregateType: "text → aggregate_type text",
  findApiKey: "text → key_id text, name text, scopes jsonb",
  findIdempotentResult:
    "text, text → fingerprint text, version bigint, position bigint, events jsonb",
  findKeys: `text → ${keyColumns}`,
  findStreamPage: "text, text, integer → until text",
  finishArchive: "uuid, text, text → kept text",
  holdPartition: "text, text → state text",
  listApiKeys:
    "none → key_id text, name text, scopes jsonb, created_at timestamptz, revoked_at timestamptz",
  listAttachedPartitions: "none → name text, lower_bound timestamptz, upper_bound timestamptz",
  listCanaries: "none → kek_id text, wrapped text",
  listDeadLetters: `bigint, integer, bigint, text, text, text, text → ${letterColumns}`,
  listDocuments: "text, text, boolean, bigint, text, integer → position bigint, documents jsonb",
  listKekIds: "none → kek_id text",
  listMigrations:
    "none → kind text, name text, checksum text, breaking boolean, applied_at timestamptz",
  listSnapshots:
    "none → aggregate_type text, schema_version integer, snapshots bigint, bytes bigint, oldest timestamptz, newest timestamptz",
  listSubscriptions: "text → head bigint, items jsonb",
  listUnsnapshotted: "text, integer, bigint, text, integer → aggregate_id text",
  loadAggregate: `text, text, integer, integer → stream_version bigint, snapshot_version bigint, snapshot_position bigint, snapshot_created_at timestamptz, snapshot_schema_version integer, state jsonb, ${eventColumns}`,
  listPartitions: `integer → ${partitionColumns}`,
  loadPartition: "uuid, text, text → reached bigint",
  markFrozen: "text → frozen boolean",
  pauseSubscription: "text, boolean, text → known boolean",
  positionAt: "timestamptz → position bigint",
  readAfter: `bigint, integer → ${eventColumns}`,
  readBackend: "none → pid integer",
  readCheckpoints: "none → subscription text, position bigint",
  readDocuments: "text, text → position bigint, documents jsonb",
  readDiscarded: "text, integer, bigint, bigint → position bigint",
  readDueLetters: `text, integer, integer → id bigint, kind text, key text, stream text, attempts integer, ${eventColumns}`,
  readHead: "none → position bigint",
  readLogPage: `bigint, integer, text, bigint, bigint → head bigint, found bigint, ${eventColumns}`,
  readStreamPage: `text, text, bigint, bigint, integer, boolean, text, text, bigint → head bigint, stream_version bigint, found bigint, ${eventColumns}`,
  readHealth:
    "timestamptz → head bigint, settings jsonb, clock jsonb, partitions jsonb, subscriptions jsonb",
  readPartition: "text, bigint, integer, integer → position bigint, line text",
  readServer: `none → ${[
    "version_number integer",
    "version text",
    "standby boolean",
    "at timestamptz",
    "tls text",
    "superuser boolean",
    "owner boolean",
    "may_append boolean",
    "may_insert boolean",
    "fsync text",
    "full_page_writes text",
    "synchronous_commit text",
    "size_bytes bigint",
  ].join(", ")}`,
  readProjection: "text, text, text, text → documents json, keys jsonb, streams jsonb",
  readProof: "text → complete boolean, partitions jsonb, faults jsonb",
  readStream: `text, text, bigint, bigint, integer, boolean, text, text → ${eventColumns}`,
  readSubscriptionPage: `bigint, integer, text, text, bigint, bigint → head bigint, found bigint, ${eventColumns}, bytes integer`,
  readWaitingStreams: "text, text → stream text",
  rebuildView: "text, integer → building text",
  recordCrash: "text → record_crash void",
  recordUpkeep: "text → failures integer",
  releaseLease: "uuid, text, integer → ended boolean",
  releaseLeases: "uuid → ended bigint",
  resetSubscription: "text, bigint → outcome text",
  retryDeadLetters: "bigint, text, text, text → due bigint",
  revokeApiKey: "text → revoked boolean",
  rollbackView: "text → outcome text",
  saveSnapshot: "text, text, bigint, bigint, text, integer, text, text → saved boolean",
  swapView: "text → outcome text",
  verifyCheckpoints: "none → broken jsonb, total bigint",
  verifyCreatedAt: "timestamptz, timestamptz → broken jsonb, total bigint",
  verifyDeadLetters: "none → broken jsonb, total bigint",
  verifyDurability: "none → broken jsonb, total bigint",
  verifyEventIds: "none → broken jsonb, total bigint",
  verifyEventPartitions: "none → broken jsonb, total bigint",
  verifyIdempotency: "none → broken jsonb, total bigint",
  verifyLeases: "none → broken jsonb, total bigint",
  verifyPartitionBounds: "none → broken jsonb, total bigint",
  verifyPartitionIndexes: "none → broken jsonb, total bigint",
  verifyPositions: "timestamptz, timestamptz → broken jsonb, total bigint",
  verifyProofs: "none → broken jsonb, total bigint",
  verifyRegister: "none → broken jsonb, total bigint",
  verifyStreamVersions: "text, text, text → broken jsonb, total bigint",
  verifyStreams: "text, text, text → broken jsonb, total bigint",
  verifySubjectKeys: "timestamptz, timestamptz → broken jsonb, total bigint",
  verifyViews: "none → broken jsonb, total bigint",
};

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(async () => {
  await assertNothingLeftOpen(database.url);
  await database.drop();
});

test("statement has these types when the migrated database describes it", async () => {
  const sql = openSql(database.url);
  const types = await sql<{ oid: number; name: string }[]>`
    select oid::int as oid, 
           replace(format_type(oid, null), 'timestamp with time zone', 'timestamptz') as name
      from pg_type`;
  const nameOf = new Map(types.map(({ oid, name }) => [oid, name]));
  const found: Record<string, string> = {};
  for (const [name, { text }] of Object.entries(queries)) {
    const statement = await sql.unsafe(text).describe();
    const parameters = statement.types.map((oid) => nameOf.get(oid)).join(", ");
    const columns = statement.columns.map((column) => `${column.name} ${nameOf.get(column.type)}`);
    found[name] = `${parameters || "none"} → ${columns.join(", ")}`;
  }
  await sql.end({ timeout: 1 });
  expect(found).toEqual(described);
});
