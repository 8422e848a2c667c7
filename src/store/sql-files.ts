/** The migrations in order and the stored functions: what `migrate` brings into a database. */
import eventLog from "#sql/migration/0001_event_log.sql" with { type: "text" };
import personalData from "#sql/migration/0002_personal_data.sql" with { type: "text" };
import subscriptions from "#sql/migration/0003_subscriptions.sql" with { type: "text" };
import access from "#sql/migration/0004_access.sql" with { type: "text" };
import idempotency from "#sql/migration/0005_idempotency.sql" with { type: "text" };
import snapshots from "#sql/migration/0006_snapshots.sql" with { type: "text" };
import partitionLife from "#sql/migration/0007_partition_life.sql" with { type: "text" };
import idempotencyUnchanged from "#sql/migration/0008_idempotency_unchanged.sql" with { type: "text" };
import deadLettersWaiting from "#sql/migration/0009_dead_letters_waiting.sql" with { type: "text" };
import abandonRestore from "#sql/function/abandon_restore.sql" with { type: "text" };
import acquireLeases from "#sql/function/acquire_leases.sql" with { type: "text" };
import acquirePartitionLease from "#sql/function/acquire_partition_lease.sql" with { type: "text" };
import appendEvents from "#sql/function/append_events.sql" with { type: "text" };
import applyProjection from "#sql/function/apply_projection.sql" with { type: "text" };
import assertPartitionLease from "#sql/function/assert_partition_lease.sql" with { type: "text" };
import attachPartition from "#sql/function/attach_partition.sql" with { type: "text" };
import beginArchive from "#sql/function/begin_archive.sql" with { type: "text" };
import beginRestore from "#sql/function/begin_restore.sql" with { type: "text" };
import claimCanary from "#sql/function/claim_canary.sql" with { type: "text" };
import claimIdempotency from "#sql/function/claim_idempotency.sql" with { type: "text" };
import claimSubjectKeys from "#sql/function/claim_subject_keys.sql" with { type: "text" };
import closePartitions from "#sql/function/close_partitions.sql" with { type: "text" };
import createApiKey from "#sql/function/create_api_key.sql" with { type: "text" };
import dropSnapshots from "#sql/function/drop_snapshots.sql" with { type: "text" };
import ensurePartitions from "#sql/function/ensure_partitions.sql" with { type: "text" };
import ensureView from "#sql/function/ensure_view.sql" with { type: "text" };
import expireIdempotency from "#sql/function/expire_idempotency.sql" with { type: "text" };
import findSnapshot from "#sql/function/find_snapshot.sql" with { type: "text" };
import finishArchive from "#sql/function/finish_archive.sql" with { type: "text" };
import grantRights from "#sql/function/grant_rights.sql" with { type: "text" };
import holdPartition from "#sql/function/hold_partition.sql" with { type: "text" };
import isClockAhead from "#sql/function/is_clock_ahead.sql" with { type: "text" };
import listDocuments from "#sql/function/list_documents.sql" with { type: "text" };
import loadPartition from "#sql/function/load_partition.sql" with { type: "text" };
import logHead from "#sql/function/log_head.sql" with { type: "text" };
import makePartition from "#sql/function/make_partition.sql" with { type: "text" };
import markFrozen from "#sql/function/mark_frozen.sql" with { type: "text" };
import nextPlace from "#sql/function/next_place.sql" with { type: "text" };
import readAfter from "#sql/function/read_after.sql" with { type: "text" };
import readDocuments from "#sql/function/read_documents.sql" with { type: "text" };
import readPartition from "#sql/function/read_partition.sql" with { type: "text" };
import readStream from "#sql/function/read_stream.sql" with { type: "text" };
import recordUpkeep from "#sql/function/record_upkeep.sql" with { type: "text" };
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
  { name: "0007_partition_life", text: partitionLife },
  { name: "0008_idempotency_unchanged", text: idempotencyUnchanged },
  { name: "0009_dead_letters_waiting", text: deadLettersWaiting },
];

/** Applied again whenever their text changes. */
export const functions: readonly SqlFile[] = [
  { name: "abandon_restore", text: abandonRestore },
  { name: "acquire_leases", text: acquireLeases },
  { name: "acquire_partition_lease", text: acquirePartitionLease },
  { name: "append_events", text: appendEvents },
  { name: "apply_projection", text: applyProjection },
  { name: "assert_partition_lease", text: assertPartitionLease },
  { name: "attach_partition", text: attachPartition },
  { name: "begin_archive", text: beginArchive },
  { name: "begin_restore", text: beginRestore },
  { name: "claim_canary", text: claimCanary },
  { name: "claim_idempotency", text: claimIdempotency },
  { name: "claim_subject_keys", text: claimSubjectKeys },
  { name: "close_partitions", text: closePartitions },
  { name: "create_api_key", text: createApiKey },
  { name: "drop_snapshots", text: dropSnapshots },
  { name: "ensure_partitions", text: ensurePartitions },
  { name: "ensure_view", text: ensureView },
  { name: "expire_idempotency", text: expireIdempotency },
  { name: "find_snapshot", text: findSnapshot },
  { name: "finish_archive", text: finishArchive },
  { name: "grant_rights", text: grantRights },
  { name: "hold_partition", text: holdPartition },
  { name: "is_clock_ahead", text: isClockAhead },
  { name: "list_documents", text: listDocuments },
  { name: "load_partition", text: loadPartition },
  { name: "log_head", text: logHead },
  { name: "make_partition", text: makePartition },
  { name: "mark_frozen", text: markFrozen },
  { name: "next_place", text: nextPlace },
  { name: "read_after", text: readAfter },
  { name: "read_documents", text: readDocuments },
  { name: "read_partition", text: readPartition },
  { name: "read_stream", text: readStream },
  { name: "record_upkeep", text: recordUpkeep },
  { name: "release_leases", text: releaseLeases },
  { name: "revoke_api_key", text: revokeApiKey },
  { name: "save_snapshot", text: saveSnapshot },
];
