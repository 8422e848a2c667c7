/** Every statement that the program sends, one file each under sql/query. */
import abandonRestore from "#sql/query/abandon_restore.sql" with { type: "text" };
import acquireLeases from "#sql/query/acquire_leases.sql" with { type: "text" };
import acquirePartitionLease from "#sql/query/acquire_partition_lease.sql" with { type: "text" };
import advanceCheckpoint from "#sql/query/advance_checkpoint.sql" with { type: "text" };
import advanceCheckpoints from "#sql/query/advance_checkpoints.sql" with { type: "text" };
import appendEvents from "#sql/query/append_events.sql" with { type: "text" };
import applyProjection from "#sql/query/apply_projection.sql" with { type: "text" };
import attachPartition from "#sql/query/attach_partition.sql" with { type: "text" };
import auditProof from "#sql/query/audit_proof.sql" with { type: "text" };
import beginArchive from "#sql/query/begin_archive.sql" with { type: "text" };
import beginRestore from "#sql/query/begin_restore.sql" with { type: "text" };
import benchCeiling from "#sql/query/bench_ceiling.sql" with { type: "text" };
import benchFillMonth from "#sql/query/bench_fill_month.sql" with { type: "text" };
import benchMakeMonths from "#sql/query/bench_make_months.sql" with { type: "text" };
import cancelStatements from "#sql/query/cancel_statements.sql" with { type: "text" };
import claimCanary from "#sql/query/claim_canary.sql" with { type: "text" };
import claimIdempotency from "#sql/query/claim_idempotency.sql" with { type: "text" };
import claimSubjectKeys from "#sql/query/claim_subject_keys.sql" with { type: "text" };
import closePartitions from "#sql/query/close_partitions.sql" with { type: "text" };
import compareDocuments from "#sql/query/compare_documents.sql" with { type: "text" };
import countDeadLetters from "#sql/query/count_dead_letters.sql" with { type: "text" };
import createApiKey from "#sql/query/create_api_key.sql" with { type: "text" };
import declareSubscription from "#sql/query/declare_subscription.sql" with { type: "text" };
import discardDeadLetter from "#sql/query/discard_dead_letter.sql" with { type: "text" };
import dropSnapshots from "#sql/query/drop_snapshots.sql" with { type: "text" };
import dropViewVersion from "#sql/query/drop_view_version.sql" with { type: "text" };
import endDetach from "#sql/query/end_detach.sql" with { type: "text" };
import ensureNextPartition from "#sql/query/ensure_next_partition.sql" with { type: "text" };
import ensurePartitions from "#sql/query/ensure_partitions.sql" with { type: "text" };
import ensureView from "#sql/query/ensure_view.sql" with { type: "text" };
import expireIdempotency from "#sql/query/expire_idempotency.sql" with { type: "text" };
import findActiveKeys from "#sql/query/find_active_keys.sql" with { type: "text" };
import findAggregateType from "#sql/query/find_aggregate_type.sql" with { type: "text" };
import findApiKey from "#sql/query/find_api_key.sql" with { type: "text" };
import findIdempotentResult from "#sql/query/find_idempotent_result.sql" with { type: "text" };
import findKeys from "#sql/query/find_keys.sql" with { type: "text" };
import findStreamPage from "#sql/query/find_stream_page.sql" with { type: "text" };
import finishArchive from "#sql/query/finish_archive.sql" with { type: "text" };
import holdPartition from "#sql/query/hold_partition.sql" with { type: "text" };
import listApiKeys from "#sql/query/list_api_keys.sql" with { type: "text" };
import listAttachedPartitions from "#sql/query/list_attached_partitions.sql" with { type: "text" };
import listCanaries from "#sql/query/list_canaries.sql" with { type: "text" };
import listDeadLetters from "#sql/query/list_dead_letters.sql" with { type: "text" };
import listDocuments from "#sql/query/list_documents.sql" with { type: "text" };
import listKekIds from "#sql/query/list_kek_ids.sql" with { type: "text" };
import listMigrations from "#sql/query/list_migrations.sql" with { type: "text" };
import listPartitions from "#sql/query/list_partitions.sql" with { type: "text" };
import listSnapshots from "#sql/query/list_snapshots.sql" with { type: "text" };
import listSubscriptions from "#sql/query/list_subscriptions.sql" with { type: "text" };
import listUnsnapshotted from "#sql/query/list_unsnapshotted.sql" with { type: "text" };
import loadAggregate from "#sql/query/load_aggregate.sql" with { type: "text" };
import loadPartition from "#sql/query/load_partition.sql" with { type: "text" };
import markFrozen from "#sql/query/mark_frozen.sql" with { type: "text" };
import pauseSubscription from "#sql/query/pause_subscription.sql" with { type: "text" };
import positionAt from "#sql/query/position_at.sql" with { type: "text" };
import readAfter from "#sql/query/read_after.sql" with { type: "text" };
import readBackend from "#sql/query/read_backend.sql" with { type: "text" };
import readCheckpoints from "#sql/query/read_checkpoints.sql" with { type: "text" };
import readDiscarded from "#sql/query/read_discarded.sql" with { type: "text" };
import readDocuments from "#sql/query/read_documents.sql" with { type: "text" };
import readDueLetters from "#sql/query/read_due_letters.sql" with { type: "text" };
import readHead from "#sql/query/read_head.sql" with { type: "text" };
import readHealth from "#sql/query/read_health.sql" with { type: "text" };
import readLogPage from "#sql/query/read_log_page.sql" with { type: "text" };
import readPartition from "#sql/query/read_partition.sql" with { type: "text" };
import readProjection from "#sql/query/read_projection.sql" with { type: "text" };
import readProof from "#sql/query/read_proof.sql" with { type: "text" };
import readServer from "#sql/query/read_server.sql" with { type: "text" };
import readStream from "#sql/query/read_stream.sql" with { type: "text" };
import readStreamPage from "#sql/query/read_stream_page.sql" with { type: "text" };
import readSubscriptionPage from "#sql/query/read_subscription_page.sql" with { type: "text" };
import readWaitingStreams from "#sql/query/read_waiting_streams.sql" with { type: "text" };
import rebuildView from "#sql/query/rebuild_view.sql" with { type: "text" };
import recordCrash from "#sql/query/record_crash.sql" with { type: "text" };
import recordUpkeep from "#sql/query/record_upkeep.sql" with { type: "text" };
import releaseLease from "#sql/query/release_lease.sql" with { type: "text" };
import releaseLeases from "#sql/query/release_leases.sql" with { type: "text" };
import resetSubscription from "#sql/query/reset_subscription.sql" with { type: "text" };
import retryDeadLetters from "#sql/query/retry_dead_letters.sql" with { type: "text" };
import revokeApiKey from "#sql/query/revoke_api_key.sql" with { type: "text" };
import rollbackView from "#sql/query/rollback_view.sql" with { type: "text" };
import saveSnapshot from "#sql/query/save_snapshot.sql" with { type: "text" };
import swapView from "#sql/query/swap_view.sql" with { type: "text" };
import verifyCheckpoints from "#sql/query/verify_checkpoints.sql" with { type: "text" };
import verifyCreatedAt from "#sql/query/verify_created_at.sql" with { type: "text" };
import verifyDeadLetters from "#sql/query/verify_dead_letters.sql" with { type: "text" };
import verifyDurability from "#sql/query/verify_durability.sql" with { type: "text" };
import verifyEventIds from "#sql/query/verify_event_ids.sql" with { type: "text" };
import verifyEventPartitions from "#sql/query/verify_event_partitions.sql" with { type: "text" };
import verifyIdempotency from "#sql/query/verify_idempotency.sql" with { type: "text" };
import verifyLeases from "#sql/query/verify_leases.sql" with { type: "text" };
import verifyPartitionBounds from "#sql/query/verify_partition_bounds.sql" with { type: "text" };
import verifyPartitionIndexes from "#sql/query/verify_partition_indexes.sql" with { type: "text" };
import verifyPositions from "#sql/query/verify_positions.sql" with { type: "text" };
import verifyProofs from "#sql/query/verify_proofs.sql" with { type: "text" };
import verifyRegister from "#sql/query/verify_register.sql" with { type: "text" };
import verifyStreamVersions from "#sql/query/verify_stream_versions.sql" with { type: "text" };
import verifyStreams from "#sql/query/verify_streams.sql" with { type: "text" };
import verifySubjectKeys from "#sql/query/verify_subject_keys.sql" with { type: "text" };
import verifyViews from "#sql/query/verify_views.sql" with { type: "text" };

import type { Statement } from "./pool.ts";

const statement = (name: string, text: string): Statement => ({ name, text });

export const queries = {
  abandonRestore: statement("abandon_restore", abandonRestore),
  acquireLeases: statement("acquire_leases", acquireLeases),
  acquirePartitionLease: statement("acquire_partition_lease", acquirePartitionLease),
  advanceCheckpoint: statement("advance_checkpoint", advanceCheckpoint),
  advanceCheckpoints: statement("advance_checkpoints", advanceCheckpoints),
  appendEvents: statement("append_events", appendEvents),
  applyProjection: statement("apply_projection", applyProjection),
  attachPartition: statement("attach_partition", attachPartition),
  auditProof: statement("audit_proof", auditProof),
  beginArchive: statement("begin_archive", beginArchive),
  beginRestore: statement("begin_restore", beginRestore),
  benchCeiling: statement("bench_ceiling", benchCeiling),
  benchFillMonth: statement("bench_fill_month", benchFillMonth),
  benchMakeMonths: statement("bench_make_months", benchMakeMonths),
  cancelStatements: statement("cancel_statements", cancelStatements),
  claimCanary: statement("claim_canary", claimCanary),
  claimIdempotency: statement("claim_idempotency", claimIdempotency),
  claimSubjectKeys: statement("claim_subject_keys", claimSubjectKeys),
  closePartitions: statement("close_partitions", closePartitions),
  compareDocuments: statement("compare_documents", compareDocuments),
  countDeadLetters: statement("count_dead_letters", countDeadLetters),
  createApiKey: statement("create_api_key", createApiKey),
  declareSubscription: statement("declare_subscription", declareSubscription),
  discardDeadLetter: statement("discard_dead_letter", discardDeadLetter),
  dropSnapshots: statement("drop_snapshots", dropSnapshots),
  dropViewVersion: statement("drop_view_version", dropViewVersion),
  endDetach: statement("end_detach", endDetach),
  ensureNextPartition: statement("ensure_next_partition", ensureNextPartition),
  ensurePartitions: statement("ensure_partitions", ensurePartitions),
  ensureView: statement("ensure_view", ensureView),
  expireIdempotency: statement("expire_idempotency", expireIdempotency),
  findActiveKeys: statement("find_active_keys", findActiveKeys),
  findAggregateType: statement("find_aggregate_type", findAggregateType),
  findApiKey: statement("find_api_key", findApiKey),
  findIdempotentResult: statement("find_idempotent_result", findIdempotentResult),
  findKeys: statement("find_keys", findKeys),
  findStreamPage: statement("find_stream_page", findStreamPage),
  finishArchive: statement("finish_archive", finishArchive),
  holdPartition: statement("hold_partition", holdPartition),
  listApiKeys: statement("list_api_keys", listApiKeys),
  listAttachedPartitions: statement("list_attached_partitions", listAttachedPartitions),
  listCanaries: statement("list_canaries", listCanaries),
  listDeadLetters: statement("list_dead_letters", listDeadLetters),
  listDocuments: statement("list_documents", listDocuments),
  listKekIds: statement("list_kek_ids", listKekIds),
  listMigrations: statement("list_migrations", listMigrations),
  listPartitions: statement("list_partitions", listPartitions),
  listSnapshots: statement("list_snapshots", listSnapshots),
  listSubscriptions: statement("list_subscriptions", listSubscriptions),
  listUnsnapshotted: statement("list_unsnapshotted", listUnsnapshotted),
  loadAggregate: statement("load_aggregate", loadAggregate),
  loadPartition: statement("load_partition", loadPartition),
  markFrozen: statement("mark_frozen", markFrozen),
  pauseSubscription: statement("pause_subscription", pauseSubscription),
  positionAt: statement("position_at", positionAt),
  readAfter: statement("read_after", readAfter),
  readBackend: statement("read_backend", readBackend),
  readCheckpoints: statement("read_checkpoints", readCheckpoints),
  readDiscarded: statement("read_discarded", readDiscarded),
  readDocuments: statement("read_documents", readDocuments),
  readDueLetters: statement("read_due_letters", readDueLetters),
  readHead: statement("read_head", readHead),
  readHealth: statement("read_health", readHealth),
  readLogPage: statement("read_log_page", readLogPage),
  readPartition: statement("read_partition", readPartition),
  readProjection: statement("read_projection", readProjection),
  readProof: statement("read_proof", readProof),
  readServer: statement("read_server", readServer),
  readStream: statement("read_stream", readStream),
  readStreamPage: statement("read_stream_page", readStreamPage),
  readSubscriptionPage: statement("read_subscription_page", readSubscriptionPage),
  readWaitingStreams: statement("read_waiting_streams", readWaitingStreams),
  rebuildView: statement("rebuild_view", rebuildView),
  recordCrash: statement("record_crash", recordCrash),
  recordUpkeep: statement("record_upkeep", recordUpkeep),
  releaseLease: statement("release_lease", releaseLease),
  releaseLeases: statement("release_leases", releaseLeases),
  resetSubscription: statement("reset_subscription", resetSubscription),
  retryDeadLetters: statement("retry_dead_letters", retryDeadLetters),
  revokeApiKey: statement("revoke_api_key", revokeApiKey),
  rollbackView: statement("rollback_view", rollbackView),
  saveSnapshot: statement("save_snapshot", saveSnapshot),
  swapView: statement("swap_view", swapView),
  verifyCheckpoints: statement("verify_checkpoints", verifyCheckpoints),
  verifyCreatedAt: statement("verify_created_at", verifyCreatedAt),
  verifyDeadLetters: statement("verify_dead_letters", verifyDeadLetters),
  verifyDurability: statement("verify_durability", verifyDurability),
  verifyEventIds: statement("verify_event_ids", verifyEventIds),
  verifyEventPartitions: statement("verify_event_partitions", verifyEventPartitions),
  verifyIdempotency: statement("verify_idempotency", verifyIdempotency),
  verifyLeases: statement("verify_leases", verifyLeases),
  verifyPartitionBounds: statement("verify_partition_bounds", verifyPartitionBounds),
  verifyPartitionIndexes: statement("verify_partition_indexes", verifyPartitionIndexes),
  verifyPositions: statement("verify_positions", verifyPositions),
  verifyProofs: statement("verify_proofs", verifyProofs),
  verifyRegister: statement("verify_register", verifyRegister),
  verifyStreamVersions: statement("verify_stream_versions", verifyStreamVersions),
  verifyStreams: statement("verify_streams", verifyStreams),
  verifySubjectKeys: statement("verify_subject_keys", verifySubjectKeys),
  verifyViews: statement("verify_views", verifyViews),
} as const;
