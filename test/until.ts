import { sleep } from "#kernel/clock.ts";

/**
 * Asks again until the answer is neither null, undefined nor false, and gives it. Throws with
 * `what` after `deadlineMs` (default 5,000). Errors of the condition are thrown at once.
 */
export async function until<Answer>(
  what: string,
  condition: () => Promise<Answer> | Answer,
  deadlineMs = 5_000,
): Promise<NonNullable<Exclude<Answer, false>>> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const answer = await condition();
    if (answer !== null && answer !== undefined && answer !== false) {
      return answer as NonNullable<Exclude<Answer, false>>;
    }
    if (Date.now() > deadline) throw new Error(`waited ${deadlineMs} ms in vain: ${what}`);
    await sleep(10);
  }
}
