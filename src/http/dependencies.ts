import type { CommandHandler } from "#command/handle.ts";
import type { AnyAggregate } from "#domain/decider.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Logger } from "#kernel/log.ts";
import type { LogReader } from "#query/log.ts";
import type { Operations } from "#query/operations.ts";
import type { ProofReader } from "#query/proof.ts";
import type { QueryReader } from "#query/read.ts";
import type { StreamReader } from "#query/streams.ts";

import type { HealthReport, LivenessReport, ReadinessReport } from "#query/health-report.ts";

/** Who calls, and what they may. */
export type Principal = { readonly id: string; readonly scopes: readonly string[] };

/** What the edge needs of the rest; `main.ts` gives it. */
export type AppDependencies = {
  readonly aggregates: readonly AnyAggregate[];
  readonly handle: CommandHandler;
  readonly reader: QueryReader;
  readonly streams: StreamReader;
  readonly logReader: LogReader;
  readonly operations: Operations;
  readonly proofs: ProofReader;
  /** The caller of a bearer token, undefined for none. Throws VarveError of the store. */
  readonly authenticate: (token: string) => Promise<Principal | undefined>;
  readonly health: () => Promise<HealthReport>;
  readonly readiness: () => Promise<ReadinessReport>;
  readonly liveness: () => LivenessReport;
  /** All metrics as Prometheus text. */
  readonly metrics: () => Promise<string>;
  /** From the first signal on: every request but health is answered 503, and feeds end. */
  readonly draining: AbortSignal;
  /**
   * Sets after how many seconds without a sign of life the server gives the request's connection
   * up; 0 for never.
   */
  readonly idleLimit: (request: Request, seconds: number) => void;
  /** Runs the work as a span, where tracing is on. */
  readonly traced: <Value>(name: string, work: () => Promise<Value>) => Promise<Value>;
  /** The W3C traceparent of the span in force, stored with events. */
  readonly traceparent: () => string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
};
