import { expect, test } from "bun:test";

import { retryDeadLetters } from "#store/dead-letters.ts";
import type { Pool } from "#store/pool.ts";
import { ensureSubscriptions } from "#test/support/loops.ts";
import {
  fill,
  listedIn,
  listingView,
  names,
  reached,
  recordingReactor,
  streamsOf,
  useSubscriptions,
} from "#test/support/subscriptions.ts";
import { until } from "#test/until.ts";

const at = useSubscriptions();
/** A hundred thousand were measured; these show the same in seconds. */
const LETTERS = Number(process.env["VARVE_TEST_LETTERS"] ?? 5_000);
const BATCH = 100;
const MEBIBYTE = 1024 * 1024;

const waiting = async (): Promise<number> => {
  const [row] = await at.sql<{ count: number }[]>`
    select count(*)::int as count from varve.dead_letters where state = 'waiting'`;
  return row?.count ?? 0;
};

test("thousands of letters are retried a batch at a time, in constant memory", async () => {
  let isBroken = true;
  const fail = (): void => {
    if (isBroken) throw new Error("broken");
  };
  const settings = { retries: 0, batchSize: BATCH };
  const view = listingView("lists", {
    settings,
    project: (document, { position }) => {
      fail();
      return { positions: [...(document?.positions ?? []), position] };
    },
  });
  const { reactor } = recordingReactor("calls", { settings, handle: fail });
  await ensureSubscriptions(at.pool, { views: [view], reactors: [reactor] });
  // A tenth as many streams: nine of ten letters wait behind another.
  await fill(at, names("s", LETTERS / 10), 10);
  let most = 0;
  const query: Pool["query"] = async (statement, ...rest) => {
    const rows = await at.pool.query<never>(statement, ...rest);
    if (statement.name === "read_due_letters") most = Math.max(most, rows.length);
    return rows;
  };
  at.start({ views: [view], reactors: [reactor], pool: { ...at.pool, query } });
  await reached(at, ["lists", "calls"], LETTERS, 600_000);
  expect(await waiting()).toBe(2 * LETTERS);

  isBroken = false;
  Bun.gc(true);
  const before = process.memoryUsage().rss;
  const startMs = performance.now();
  await retryDeadLetters(at.pool, {});
  let peak = before;
  await until(
    "no letter waits",
    async () => {
      peak = Math.max(peak, process.memoryUsage().rss);
      return (await waiting()) === 0;
    },
    600_000,
  );
  const seconds = (performance.now() - startMs) / 1_000;
  const grown = Math.round((peak - before) / MEBIBYTE);
  process.stderr.write(`${2 * LETTERS} letters in ${seconds.toFixed(1)} s, ${grown} MiB more\n`);
  expect(most).toBeLessThanOrEqual(BATCH);
  expect(grown).toBeLessThan(100);
  expect(await listedIn(at, "lists")).toEqual(await streamsOf(at));
}, 1_200_000);
