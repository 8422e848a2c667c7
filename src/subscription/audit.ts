import { sleep } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import type { Logger } from "#kernel/log.ts";
import type { Lease } from "#store/leases.ts";
import type { Pool } from "#store/pool.ts";
import { auditProof, type AuditStep, type ProofFault } from "#store/proofs.ts";

/** What is audited: one partition of a subscription. */
type Audited = Pick<Lease, "subscription" | "partition">;

export type AuditOptions = {
  readonly pool: Pool;
  /** What this process holds now: each is somebody's to audit, and nobody's twice. */
  readonly held: () => readonly Audited[];
  readonly everyMs?: number;
  readonly log: Logger;
  /** Hears of a fault once, whoever holds the subscription later. */
  readonly onFault: (subscription: string, fault: ProofFault) => void;
};

/** Between two audits: how late an alarm may be. */
const AUDIT_MS = 10_000;
/**
 * Positions in one step: 7 ms of the server's time, and 100 ms where the streams are shared out, each
 * of which is hashed. Steps before the next one's turn.
 */
const EVENTS_MAX = 20_000;
const STEPS_MAX = 100;
/** A step is short, and one that is cut off has written nothing. */
const STOP_MS = 1_000;

const alarms: Readonly<Record<ProofFault["kind"], string>> = {
  skipped: "a subscription skipped positions",
  doubled: "a subscription took positions twice",
  mismatch: "what a subscription took is not what the log has",
};

/** Takes steps until nothing is left, or the share of one audit is used up. */
async function auditOne(
  { pool, log, onFault }: AuditOptions,
  audited: Audited,
  isStopped: () => boolean,
): Promise<AuditStep["blocked"]> {
  for (let steps = 0; steps < STEPS_MAX && !isStopped(); steps += 1) {
    const { more, blocked, faults } = await auditProof(pool, audited, EVENTS_MAX);
    for (const fault of faults) {
      const { kind, afterPosition, toPosition, positions, total } = fault;
      const fields = { kind, afterPosition, toPosition, positions, total };
      const { subscription } = audited;
      log.error({ alarm: true, ...audited, partition: fault.partition, ...fields }, alarms[kind]);
      onFault(subscription, fault);
    }
    if (!more) return blocked;
  }
  return null;
}

/**
 * Compares now and then what this process's subscriptions have taken with the log: one after the
 * other, in bounded steps. A fault is an alarm; a failure is logged and tried again at the next
 * time. Returns the way to stop, which waits a moment for the step in hand.
 */
export function startAudit(options: AuditOptions): () => Promise<void> {
  const { held, log, everyMs = AUDIT_MS } = options;
  /** What waits for a month, as it was told last: months are away for long. */
  const toldBlocked = new Map<string, string>();
  let stopped = false;
  let underWay: Promise<void> | undefined;

  const auditHeld = async (): Promise<void> => {
    for (const audited of held()) {
      if (stopped) return;
      const { subscription, partition } = audited;
      try {
        const month = await auditOne(options, { subscription, partition }, () => stopped);
        const key = `${subscription} ${partition}`;
        if (month !== null && toldBlocked.get(key) !== month) {
          log.warn({ subscription, partition, month }, "an audit waits for an archived month");
        }
        if (month === null) toldBlocked.delete(key);
        else toldBlocked.set(key, month);
      } catch (error) {
        if (!(error instanceof VarveError)) throw error;
        log.warn({ code: error.code, subscription, partition, error }, "an audit failed");
      }
    }
  };

  const timer = setInterval(() => {
    underWay ??= auditHeld().finally(() => {
      underWay = undefined;
    });
  }, everyMs);
  return async () => {
    stopped = true;
    clearInterval(timer);
    await Promise.race([underWay, sleep(STOP_MS)]);
  };
}
