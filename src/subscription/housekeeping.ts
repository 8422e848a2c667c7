import { VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import type { Logger } from "#kernel/log.ts";
import { expireIdempotency } from "#store/idempotency.ts";
import type { Pool } from "#store/pool.ts";

/** Forgets what has aged, in bounded batches, one after the other while there is more. */
async function forgetOldKeys(pool: Pool): Promise<void> {
  for (;;) {
    const expired = await expireIdempotency(pool, {
      ageMs: limits.idempotencyAgeMs,
      limit: limits.idempotencyExpired,
    });
    if (expired < limits.idempotencyExpired) return;
  }
}

/**
 * Clears up now and then; every instance may, since rows in another's hands are passed over. A
 * failure is logged and tried again at the next time. Returns the way to stop.
 */
export function startHousekeeping(
  pool: Pool,
  log: Logger,
  everyMs: number = limits.housekeepingMs,
): () => void {
  let underWay = false;
  const timer = setInterval(() => {
    if (underWay) return;
    underWay = true;
    void forgetOldKeys(pool)
      .catch((error: unknown) => {
        if (!(error instanceof VarveError)) throw error;
        log.warn({ code: error.code, error }, "old idempotency keys were not removed");
      })
      .finally(() => {
        underWay = false;
      });
  }, everyMs);
  return () => clearInterval(timer);
}
