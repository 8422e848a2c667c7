import { unavailable } from "./outcome.ts";

/** For how long, and for which target. */
export type Bounds = {
  readonly target: string;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
};

/**
 * The work, but no longer than until the time is over or the caller's signal fires: then it rejects
 * with `dependency-unavailable`, and the signal that the work was given has fired with the same
 * error. Leaves nothing behind on the caller's signal, which may live as long as the process.
 */
export async function bounded<Value>(
  { target, signal, timeoutMs }: Bounds,
  work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const own = new AbortController();
  const over = Promise.withResolvers<never>();
  const end = (reason: "aborted" | "timeout"): void => {
    const error = unavailable(target, { reason });
    own.abort(error);
    over.reject(error);
  };
  const onAbort = (): void => end("aborted");
  const timer = setTimeout(() => end("timeout"), timeoutMs);
  signal.addEventListener("abort", onAbort);
  try {
    if (signal.aborted) throw unavailable(target, { reason: "aborted" });
    return await Promise.race([work(own.signal), over.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}
