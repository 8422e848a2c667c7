/** The migrations in order and the stored functions: what `migrate` brings into a database. */
import eventLog from "#sql/migration/0001_event_log.sql" with { type: "text" };
import personalData from "#sql/migration/0002_personal_data.sql" with { type: "text" };
import subscriptions from "#sql/migration/0003_subscriptions.sql" with { type: "text" };
import access from "#sql/migration/0004_access.sql" with { type: "text" };
import idempotency from "#sql/migration/0005_idempotency.sql" with { type: "text" };
import snapshots from "#sql/migration/0006_snapshots.sql" with { type: "text" };
import acquireLeases from "#sql/function/acquire_leases.sql" with { type: "text" };
import appendEvents from "#sql/function/append_events.sql" with { type: "text" };
import applyProjection from "#sql/function/apply_projection.sql" with { type: "text" };
import claimCanary from "#sql/function/claim_canary.sql" with { type: "text" };
import claimSubjectKeys from "#sql/function/claim_subject_keys.sql" with { type: "text" };
import createApiKey from "#sql/function/create_api_key.sql" with { type: "text" };
import dropSnapshots from "#sql/function/drop_snapshots.sql" with { type: "text" };
import ensurePartitions from "#sql/function/ensure_partitions.sql" with { type: "text" };
import ensureView from "#sql/function/ensure_view.sql" with { type: "text" };
import expireIdempotency from "#sql/function/expire_idempotency.sql" with { type: "text" };
import findSnapshot from "#sql/function/find_snapshot.sql" with { type: "text" };
import grantRights from "#sql/function/grant_rights.sql" with { type: "text" };
import listDocuments from "#sql/function/list_documents.sql" with { type: "text" };
import logHead from "#sql/function/log_head.sql" with { type: "text" };
import readAfter from "#sql/function/read_after.sql" with { type: "text" };
import readDocuments from "#sql/function/read_documents.sql" with { type: "text" };
import readStream from "#sql/function/read_stream.sql" with { type: "text" };
import releaseLeases from "#sql/function/release_leases.sql" with { type: "text" };
import revokeApiKey from "#sql/function/revoke_api_key.sql" with { type: "text" };
import saveSnapshot from "#sql/function/save_snapshot.sql" with { type: "text" };

export type SqlFile = { readonly name: string; readonly text: string };

/** Forward only. A file that has been applied anywhere is never edited again. */
export const migrations: readonly SqlFile[] = [
  { name: "0001_event_log", text: eventLog },
  { name: "0002_personal_data", text: personalData },
  { name: "0003_subscriptions", text: subscriptions },
  { name: "0004_access", text: access },
  { name: "0005_idempotency", text: idempotency },
  { name: "0006_snapshots", text: snapshots },
];

/** Applied again whenever their text changes. */
export const functions: readonly SqlFile[] = [
  { name: "acquire_leases", text: acquireLeases },
  { name: "append_events", text: appendEvents },
  { name: "apply_projection", text: applyProjection },
  { name: "claim_canary", text: claimCanary },
  { name: "claim_subject_keys", text: claimSubjectKeys },
  { name: "create_api_key", text: createApiKey },
  { name: "drop_snapshots", text: dropSnapshots },
  { name: "ensure_partitions", text: ensurePartitions },
  { name: "ensure_view", text: ensureView },
  { name: "expire_idempotency", text: expireIdempotency },
  { name: "find_snapshot", text: findSnapshot },
  { name: "grant_rights", text: grantRights },
  { name: "list_documents", text: listDocuments },
  { name: "log_head", text: logHead },
  { name: "read_after", text: readAfter },
  { name: "read_documents", text: readDocuments },
  { name: "read_stream", text: readStream },
  { name: "release_leases", text: releaseLeases },
  { name: "revoke_api_key", text: revokeApiKey },
  { name: "save_snapshot", text: saveSnapshot },
];
