/** Every bound of the system that is not configuration, each with its reason. */
export const limits = {
  /** One command's body unless the command declares more (contract). */
  bodyBytes: 64 * 1024,
  /** JSON nested deeper than this is nobody's command and would exhaust recursive readers. */
  jsonDepth: 32,
  /** Faults listed in one answer; more helps nobody and lets a small body make a large answer. */
  validationFaults: 50,
  /** A lost race is decided again this often before the caller hears of it (contract). */
  decideAttempts: 6,
  /** One group commit: 256 writers must fit, beyond it the gain is flat; one parameter to parse. */
  batchAppends: 512,
  batchBytes: 4 * 1024 * 1024,
  /** Waiting for a batch: a second of work, and what a stalled database may cost in memory. */
  queueAppends: 10_000,
  queueBytes: 64 * 1024 * 1024,
  /** An idempotency key is kept for longer than clients retry; how many go at once, how often. */
  idempotencyAgeMs: 24 * 60 * 60_000,
  idempotencyExpired: 1_000,
  housekeepingMs: 60_000,
  /** Batches in flight: the second is compared and set while the first waits for the disk. */
  batchesInFlight: 2,
  /** One call of an append: its lock time-out of 5 s, and as much again for the rest. */
  appendMs: 10_000,
  /** How long a batch whose reply was lost is asked again before its outcome stays unknown. */
  lostReplyMs: 20_000,
  /** Calls waiting for a connection: what a pool can serve within its acquire time-out. */
  poolWaiters: 5_000,
  /** Events in one read of a stream or of the log (contract). */
  readEvents: 1_000,
  /** Of one answer: bytes of its payloads, and positions looked at for types that may be rare. */
  pageBytes: 1024 * 1024,
  pagePositions: 10_000,
  /** Feeds at once, of a page each; and after how much silence a feed beats or is given up. */
  feeds: 100,
  feedBeatMs: 10_000,
  /** Queries that wait for a view: one look may wake all to read, which a pool's queue must hold. */
  viewWaits: 1_000,
  /** States held, and snapshots that wait, as JSON: the memory that they may cost; and one of them. */
  statesBytes: 32 * 1024 * 1024,
  snapshotBytes: 4 * 1024 * 1024,
  /** Snapshots that wait, those being stored, and how long a command waits for one. */
  snapshotQueue: 1_000,
  snapshotsInFlight: 2,
  snapshotMs: 1_000,
  /** Subject keys held opened, and for how long: bounds how long an erased key can linger. */
  keyCacheEntries: 10_000,
  keyCacheMs: 60_000,
  /** Web Crypto calls started together; 50,000 at once stall the thread for over a second. */
  cryptoChunk: 256,
  /** Verified API keys held, and for how long a revoked one still works. */
  apiKeyCacheEntries: 1_000,
  apiKeyCacheMs: 10_000,
  /** Sleep between looks at the log, from just after news to long idle. */
  pollMsMin: 20,
  pollMsMax: 200,
  /** A subscription's lease. Another instance takes over after this much silence, and within five
   * seconds: the lease, the time until the other asks again, and its first page. */
  leaseMs: 3_000,
  leaseRenewMs: 700,
  /** The worker's sign of life, and the silence after which it is held for dead. */
  beatMs: 250,
  beatSilenceMs: 10_000,
  /** Back-off while own code fails, as it will again; while the database does, callers wait. */
  backoffMsMin: 100,
  backoffMsMax: 5_000,
  outageBackoffMsMax: 1_000,
  /** The answer of a health route, whatever hangs behind it. */
  healthMs: 800,
} as const;
