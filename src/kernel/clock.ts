/** Milliseconds since the Unix epoch. Passed in wherever time matters, so that tests can set it. */
export type Clock = () => number;

/** For waits and time-outs: a clock that is set back or forward must neither stretch nor end them. */
export const monotonicMs: Clock = () => performance.now();

/**
 * Any ISO 8601 time with an offset as UTC with microseconds: `2010-12-01T08:26:00.000000Z`, so that
 * text order is time order. `Date` alone would drop the microseconds. Throws RangeError on a time
 * that does not exist.
 */
export function utcMicros(time: string): string {
  const fraction = (/\.(\d+)/.exec(time)?.[1] ?? "").padEnd(6, "0").slice(0, 6);
  const whole = time.replace(/\.\d+/, "").replace(" ", "T").replace(/\+00$/, "Z");
  return `${new Date(whole).toISOString().slice(0, 19)}.${fraction}Z`;
}

/** Waits, but no longer than until the signal fires. Never rejects. */
export function sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      // A signal may live as long as the process: it must not collect what has long been slept.
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, durationMs);
    signal?.addEventListener("abort", done);
  });
}
