import { expect, test } from "bun:test";

import { VarveError } from "#kernel/errors.ts";
import { durationText, follow, type Look } from "#ops/follow.ts";

const never = new AbortController().signal;

/** Answers with each of them in turn, then with the last one for ever. */
function looks(...answers: readonly (Look | Error)[]) {
  let count = 0;
  const look = async (): Promise<Look> => {
    const answer = answers[Math.min(count, answers.length - 1)];
    count += 1;
    if (answer === undefined || answer instanceof Error) throw answer ?? new Error("no answer");
    return answer;
  };
  return { look, count: () => count };
}

const at = (mark: string, done = false): Look => ({ mark, done });
const gone = new VarveError("database-unavailable", "gone");

test("work is followed through an outage until it is done", async () => {
  const { look, count } = looks(at("1"), gone, at("2"), at("3", true));
  expect(await follow({ look, patienceMs: 60_000, signal: never })).toBe("done");
  expect(count()).toBe(4);
});

test("work is given up when it stands still for longer than its follower is patient", async () => {
  const { look, count } = looks(at("1"), at("1"), at("2"));
  expect(await follow({ look, patienceMs: 1_500, signal: never })).toBe("stalled");
  expect(count()).toBeGreaterThan(3);
});

test("failure is thrown when it is the first look's, lasts, or is no outage", async () => {
  const endOf = ({ look }: ReturnType<typeof looks>) =>
    follow({ look, patienceMs: 500, signal: never }).catch((error: unknown) => error);
  const refused = new VarveError("database-refused", "refused");
  expect(await endOf(looks(gone))).toBe(gone);
  expect(await endOf(looks(at("1"), gone))).toBe(gone);
  expect(await endOf(looks(at("1"), refused))).toBe(refused);
});

test("follower goes away at once when it is interrupted", async () => {
  const controller = new AbortController();
  const { look } = looks(at("1"));
  const followed = follow({ look, patienceMs: 60_000, signal: controller.signal });
  controller.abort();
  expect(await followed).toBe("interrupted");
});

test("duration is told in the unit that fits it", () => {
  expect([0, 0.2, 99, 100, 5_000, 7_500].map(durationText)).toEqual([
    "0 s",
    "1 s",
    "99 s",
    "2 min",
    "84 min",
    "2 h 5 min",
  ]);
});
