import type { AppDependencies } from "#http/dependencies.ts";

const never = (): never => {
  throw new Error("nothing is there to answer");
};
const silent = (): void => undefined;

/** An app whose parts are those given; whoever asks for another part fails. Nobody is let in. */
export const bareDependencies = (given: Partial<AppDependencies> = {}): AppDependencies => ({
  aggregates: [],
  handle: never,
  reader: { byKey: never, list: never, hint: never },
  streams: { events: never, state: never },
  logReader: { page: never, follow: never, growth: never, hint: never },
  operations: {
    subscriptions: never,
    pause: never,
    resume: never,
    reset: never,
    rebuild: never,
    swap: never,
    rollback: never,
    drop: never,
    deadLetters: never,
    retryLetter: never,
    discardLetter: never,
    retryLetters: never,
  },
  proofs: { read: never },
  authenticate: () => Promise.resolve({ id: "nobody", scopes: [] }),
  health: never,
  readiness: never,
  liveness: never,
  metrics: never,
  draining: new AbortController().signal,
  idleLimit: never,
  traced: (_, work) => work(),
  traceparent: () => undefined,
  clock: () => 0,
  log: { debug: silent, info: silent, warn: silent, error: silent },
  ...given,
});
