import type { CloudEvent } from "./cloud-event.ts";

/** Where the events of one publication go. */
export type TargetConfig = {
  /** The publication's. */
  readonly name: string;
  /** http and https are a webhook; nats and tls are NATS JetStream. */
  readonly url: string;
  /** `whsec_…`, of a webhook only: it signs with all of them, so that one can replace another. */
  readonly secrets: readonly string[];
};

/** An open target. */
export type Target = {
  /**
   * Resolves once the target has taken the event, for good. Rejects within a bounded time with one of
   * the three codes of `outcome.ts`; also when the signal fires, and then nobody knows what came of it.
   */
  readonly send: (event: CloudEvent, signal: AbortSignal) => Promise<void>;
  /** Lets go of every connection. Never rejects. */
  readonly close: () => Promise<void>;
};
