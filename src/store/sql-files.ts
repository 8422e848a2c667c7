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
import subscriptionRuntime from "#sql/migration/0010_subscription_runtime.sql" with { type: "text" };
import abandonRestore from "#sql/function/abandon_restore.sql" with { type: "text" };
import acquireLeases from "#sql/function/acquire_leases.sql" with { type: "text" };
import acquirePartitionLease from "#sql/function/acquire_partition_lease.sql" with { type: "text" };
import advanceCheckpoint from "#sql/function/advance_checkpoint.sql" with { type: "text" };
import advanceCheckpoints from "#sql/function/advance_checkpoints.sql" with { type: "text" };
import appendEvents from "#sql/function/append_events.sql" with { type: "text" };
import applyProjection from "#sql/function/apply_projection.sql" with { type: "text" };
import applyProjectionBefore from "#sql/function/apply_projection_before.sql" with { type: "text" };
import assertPartitionLease from "#sql/function/assert_partition_lease.sql" with { type: "text" };
import attachPartition from "#sql/function/attach_partition.sql" with { type: "text" };
import auditProof from "#sql/function/audit_proof.sql" with { type: "text" };
import beginArchive from "#sql/function/begin_archive.sql" with { type: "text" };
import beginRestore from "#sql/function/begin_restore.sql" with { type: "text" };
import changeFilter from "#sql/function/change_filter.sql" with { type: "text" };
import claimCanary from "#sql/function/claim_canary.sql" with { type: "text" };
import claimIdempotency from "#sql/function/claim_idempotency.sql" with { type: "text" };
import claimSubjectKeys from "#sql/function/claim_subject_keys.sql" with { type: "text" };
import closePartitions from "#sql/function/close_partitions.sql" with { type: "text" };
import compareDocuments from "#sql/function/compare_documents.sql" with { type: "text" };
import countEvents from "#sql/function/count_events.sql" with { type: "text" };
import covers from "#sql/function/covers.sql" with { type: "text" };
import createApiKey from "#sql/function/create_api_key.sql" with { type: "text" };
import declareSubscription from "#sql/function/declare_subscription.sql" with { type: "text" };
import discardDeadLetter from "#sql/function/discard_dead_letter.sql" with { type: "text" };
import dropSnapshots from "#sql/function/drop_snapshots.sql" with { type: "text" };
import dropViewVersion from "#sql/function/drop_view_version.sql" with { type: "text" };
import endProof from "#sql/function/end_proof.sql" with { type: "text" };
import ensurePartitions from "#sql/function/ensure_partitions.sql" with { type: "text" };
import ensureView from "#sql/function/ensure_view.sql" with { type: "text" };
import exchangePartitions from "#sql/function/exchange_partitions.sql" with { type: "text" };
import expireIdempotency from "#sql/function/expire_idempotency.sql" with { type: "text" };
import explainMismatch from "#sql/function/explain_mismatch.sql" with { type: "text" };
import faultReport from "#sql/function/fault_report.sql" with { type: "text" };
import findActiveKeys from "#sql/function/find_active_keys.sql" with { type: "text" };
import findIdempotency from "#sql/function/find_idempotency.sql" with { type: "text" };
import findKeys from "#sql/function/find_keys.sql" with { type: "text" };
import findSnapshot from "#sql/function/find_snapshot.sql" with { type: "text" };
import finishArchive from "#sql/function/finish_archive.sql" with { type: "text" };
import forgetSubscription from "#sql/function/forget_subscription.sql" with { type: "text" };
import grantRights from "#sql/function/grant_rights.sql" with { type: "text" };
import holdPartition from "#sql/function/hold_partition.sql" with { type: "text" };
import isClockAhead from "#sql/function/is_clock_ahead.sql" with { type: "text" };
import isOrphaned from "#sql/function/is_orphaned.sql" with { type: "text" };
import listDocuments from "#sql/function/list_documents.sql" with { type: "text" };
import loadPartition from "#sql/function/load_partition.sql" with { type: "text" };
import logHead from "#sql/function/log_head.sql" with { type: "text" };
import makePartition from "#sql/function/make_partition.sql" with { type: "text" };
import makeViewTable from "#sql/function/make_view_table.sql" with { type: "text" };
import markFrozen from "#sql/function/mark_frozen.sql" with { type: "text" };
import nameFault from "#sql/function/name_fault.sql" with { type: "text" };
import nextPlace from "#sql/function/next_place.sql" with { type: "text" };
import noteMove from "#sql/function/note_move.sql" with { type: "text" };
import pauseSubscription from "#sql/function/pause_subscription.sql" with { type: "text" };
import pointView from "#sql/function/point_view.sql" with { type: "text" };
import positionAt from "#sql/function/position_at.sql" with { type: "text" };
import positionHash from "#sql/function/position_hash.sql" with { type: "text" };
import readAfter from "#sql/function/read_after.sql" with { type: "text" };
import readDocuments from "#sql/function/read_documents.sql" with { type: "text" };
import readKeptDocuments from "#sql/function/read_kept_documents.sql" with { type: "text" };
import readPartition from "#sql/function/read_partition.sql" with { type: "text" };
import readProofs from "#sql/function/read_proofs.sql" with { type: "text" };
import readStream from "#sql/function/read_stream.sql" with { type: "text" };
import readTimesAfter from "#sql/function/read_times_after.sql" with { type: "text" };
import rebuildView from "#sql/function/rebuild_view.sql" with { type: "text" };
import recordCrash from "#sql/function/record_crash.sql" with { type: "text" };
import recordMismatch from "#sql/function/record_mismatch.sql" with { type: "text" };
import recordRepeated from "#sql/function/record_repeated.sql" with { type: "text" };
import recordUpkeep from "#sql/function/record_upkeep.sql" with { type: "text" };
import releaseFollowers from "#sql/function/release_followers.sql" with { type: "text" };
import releaseLease from "#sql/function/release_lease.sql" with { type: "text" };
import releaseLeases from "#sql/function/release_leases.sql" with { type: "text" };
import renameSubscription from "#sql/function/rename_subscription.sql" with { type: "text" };
import resetSubscription from "#sql/function/reset_subscription.sql" with { type: "text" };
import retryDeadLetters from "#sql/function/retry_dead_letters.sql" with { type: "text" };
import revokeApiKey from "#sql/function/revoke_api_key.sql" with { type: "text" };
import rollbackView from "#sql/function/rollback_view.sql" with { type: "text" };
import saveSnapshot from "#sql/function/save_snapshot.sql" with { type: "text" };
import settleDeadLetters from "#sql/function/settle_dead_letters.sql" with { type: "text" };
import streamPartition from "#sql/function/stream_partition.sql" with { type: "text" };
import swapView from "#sql/function/swap_view.sql" with { type: "text" };
import viewEpoch from "#sql/function/view_epoch.sql" with { type: "text" };
import waitingKeys from "#sql/function/waiting_keys.sql" with { type: "text" };
import waitsBehind from "#sql/function/waits_behind.sql" with { type: "text" };
import wantPartitions from "#sql/function/want_partitions.sql" with { type: "text" };

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
  { name: "0010_subscription_runtime", text: subscriptionRuntime },
];

/** Applied again whenever their text changes. */
export const functions: readonly SqlFile[] = [
  { name: "abandon_restore", text: abandonRestore },
  { name: "acquire_leases", text: acquireLeases },
  { name: "acquire_partition_lease", text: acquirePartitionLease },
  { name: "advance_checkpoint", text: advanceCheckpoint },
  { name: "advance_checkpoints", text: advanceCheckpoints },
  { name: "append_events", text: appendEvents },
  { name: "apply_projection", text: applyProjection },
  { name: "apply_projection_before", text: applyProjectionBefore },
  { name: "assert_partition_lease", text: assertPartitionLease },
  { name: "attach_partition", text: attachPartition },
  { name: "audit_proof", text: auditProof },
  { name: "begin_archive", text: beginArchive },
  { name: "begin_restore", text: beginRestore },
  { name: "change_filter", text: changeFilter },
  { name: "claim_canary", text: claimCanary },
  { name: "claim_idempotency", text: claimIdempotency },
  { name: "claim_subject_keys", text: claimSubjectKeys },
  { name: "close_partitions", text: closePartitions },
  { name: "compare_documents", text: compareDocuments },
  { name: "count_events", text: countEvents },
  { name: "covers", text: covers },
  { name: "create_api_key", text: createApiKey },
  { name: "declare_subscription", text: declareSubscription },
  { name: "discard_dead_letter", text: discardDeadLetter },
  { name: "drop_snapshots", text: dropSnapshots },
  { name: "drop_view_version", text: dropViewVersion },
  { name: "end_proof", text: endProof },
  { name: "ensure_partitions", text: ensurePartitions },
  { name: "ensure_view", text: ensureView },
  { name: "exchange_partitions", text: exchangePartitions },
  { name: "expire_idempotency", text: expireIdempotency },
  { name: "explain_mismatch", text: explainMismatch },
  { name: "fault_report", text: faultReport },
  { name: "find_active_keys", text: findActiveKeys },
  { name: "find_idempotency", text: findIdempotency },
  { name: "find_keys", text: findKeys },
  { name: "find_snapshot", text: findSnapshot },
  { name: "finish_archive", text: finishArchive },
  { name: "forget_subscription", text: forgetSubscription },
  { name: "grant_rights", text: grantRights },
  { name: "hold_partition", text: holdPartition },
  { name: "is_clock_ahead", text: isClockAhead },
  { name: "is_orphaned", text: isOrphaned },
  { name: "list_documents", text: listDocuments },
  { name: "load_partition", text: loadPartition },
  { name: "log_head", text: logHead },
  { name: "make_partition", text: makePartition },
  { name: "make_view_table", text: makeViewTable },
  { name: "mark_frozen", text: markFrozen },
  { name: "name_fault", text: nameFault },
  { name: "next_place", text: nextPlace },
  { name: "note_move", text: noteMove },
  { name: "pause_subscription", text: pauseSubscription },
  { name: "point_view", text: pointView },
  { name: "position_at", text: positionAt },
  { name: "position_hash", text: positionHash },
  { name: "read_after", text: readAfter },
  { name: "read_documents", text: readDocuments },
  { name: "read_kept_documents", text: readKeptDocuments },
  { name: "read_partition", text: readPartition },
  { name: "read_proofs", text: readProofs },
  { name: "read_stream", text: readStream },
  { name: "read_times_after", text: readTimesAfter },
  { name: "rebuild_view", text: rebuildView },
  { name: "record_crash", text: recordCrash },
  { name: "record_mismatch", text: recordMismatch },
  { name: "record_repeated", text: recordRepeated },
  { name: "record_upkeep", text: recordUpkeep },
  { name: "release_followers", text: releaseFollowers },
  { name: "release_lease", text: releaseLease },
  { name: "release_leases", text: releaseLeases },
  { name: "rename_subscription", text: renameSubscription },
  { name: "reset_subscription", text: resetSubscription },
  { name: "retry_dead_letters", text: retryDeadLetters },
  { name: "revoke_api_key", text: revokeApiKey },
  { name: "rollback_view", text: rollbackView },
  { name: "save_snapshot", text: saveSnapshot },
  { name: "settle_dead_letters", text: settleDeadLetters },
  { name: "stream_partition", text: streamPartition },
  { name: "swap_view", text: swapView },
  { name: "view_epoch", text: viewEpoch },
  { name: "waiting_keys", text: waitingKeys },
  { name: "waits_behind", text: waitsBehind },
  { name: "want_partitions", text: wantPartitions },
];
