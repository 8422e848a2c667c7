import { afterEach, beforeEach, expect, test } from "bun:test";

import { createErrorHooks, type ErrorHook } from "#subscription/hooks.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { codesLog } from "#test/support/loops.ts";
import { openStage, type Stage } from "#test/support/stage.ts";
import { meetingReactor } from "#test/support/watched.ts";
import { until } from "#test/until.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

const fails = meetingReactor(
  "mail",
  () => {
    throw new Error("not today");
  },
  { settings: { retries: 0 } },
);

/** A hook, and the positions of the failures that it has heard of. */
function listening() {
  const heard: (number | undefined)[] = [];
  const hook: ErrorHook = ({ position }) => void heard.push(position);
  return { heard, hook };
}

test("hooks hear of what they ask for when they are registered before the start or after it", async () => {
  const hooks = createErrorHooks(codesLog().log);
  const all = listening();
  const application = listening();
  const other = listening();
  hooks.onError(all.hook);
  hooks.onErrorCategory("application", application.hook);
  hooks.onErrorCategory("infrastructure", other.hook);
  await stage.follow({ reactors: [fails], onFailure: hooks.tell });
  await appendAll(stage.pool, appendTo("a", 0));
  await until("the first has failed", () => all.heard.length === 1);

  const [medium, critical, early] = [listening(), listening(), listening()];
  hooks.onErrorSeverity("medium", medium.hook);
  hooks.onErrorSeverity("critical", critical.hook);
  hooks.onError(early.hook)();
  await appendAll(stage.pool, appendTo("b", 0));
  await until("the second has failed", () => all.heard.length === 2);
  expect([all.heard, application.heard, medium.heard]).toEqual([[1, 2], [1, 2], [2]]);
  expect([other.heard, critical.heard, early.heard]).toEqual([[], [], []]);
});

test("hook that throws keeps no other from hearing, and nothing from going on", async () => {
  const { codes, log } = codesLog();
  const hooks = createErrorHooks({ ...log, error: (_, message) => void codes.push(message) });
  const later = listening();
  hooks.onError(() => {
    throw new Error("a broken hook");
  });
  hooks.onError(later.hook);
  await stage.follow({ reactors: [fails], onFailure: hooks.tell });
  await appendAll(stage.pool, appendTo("a", 0), appendTo("b", 0));
  await stage.reached("mail", 2);
  expect([new Set(later.heard), codes]).toEqual([
    new Set([1, 2]),
    ["an error hook has failed", "an error hook has failed"],
  ]);
});
