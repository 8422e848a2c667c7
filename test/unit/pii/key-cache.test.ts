import { expect, test } from "bun:test";

import { VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import { accept, refuse } from "#kernel/result.ts";
import { createKeyCache } from "#pii/key-cache.ts";

/** A cache over a load that answers with how often it was called, and a clock set by hand. */
function recorded(answer: (key: string, call: number) => ReturnType<typeof accept<string>>) {
  const calls: string[][] = [];
  const time = { nowMs: 1_000_000 };
  const cache = createKeyCache<string>({
    clock: () => time.nowMs,
    load: async (keys) => {
      calls.push([...keys]);
      const call = calls.length;
      await Promise.resolve();
      return new Map(keys.map((key) => [key, answer(key, call)]));
    },
  });
  return { cache, calls, time };
}

const numbered = () => recorded((key, call) => accept(`${key}${call}`));

test("a key is loaded once when many ask for it at the same time", async () => {
  const { cache, calls } = numbered();
  const answers = await Promise.all([
    cache.getMany(["a", "b", "a"]),
    cache.getMany(["b", "c"]),
    cache.getMany(["a"]),
  ]);
  expect(calls).toEqual([["a", "b"], ["c"]]);
  expect(answers.map((answer) => [...answer.values()])).toEqual([
    ["a1", "b1"],
    ["b1", "c2"],
    ["a1"],
  ]);
});

test("a key is loaded again when its time is over, however often it was used", async () => {
  const { cache, calls, time } = numbered();
  await cache.getMany(["a"]);
  time.nowMs += limits.keyCacheMs - 1;
  expect((await cache.getMany(["a"])).get("a")).toBe("a1");
  time.nowMs += 1;
  expect((await cache.getMany(["a"])).get("a")).toBe("a2");
  expect(calls.length).toBe(2);
});

test("a key is loaded again when the clock was set back", async () => {
  const { cache, time } = numbered();
  await cache.getMany(["a"]);
  time.nowMs -= 1;
  expect((await cache.getMany(["a"])).get("a")).toBe("a2");
});

test("the least recently used key leaves when the cache is full", async () => {
  const { cache, calls } = numbered();
  const keys = Array.from({ length: limits.keyCacheEntries }, (_, index) => `k${index}`);
  await cache.getMany(keys);
  await cache.getMany(["k0"]);
  await cache.getMany(["new"]);
  await cache.getMany(["k0", "k2", "k1"]);
  expect(calls.slice(1)).toEqual([["new"], ["k1"]]);
});

test("a refusal reaches only those who asked for that key and is not held", async () => {
  const error = new VarveError("key-missing", "not there");
  const { cache, calls } = recorded((key, call) =>
    key === "bad" && call === 1 ? (refuse(error) as never) : accept(key),
  );
  const asked = [cache.getMany(["good", "bad"]), cache.getMany(["good"])];
  const settled = await Promise.allSettled(asked);
  expect(settled.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
  expect((await cache.getMany(["bad", "good"])).get("bad")).toBe("bad");
  expect(calls).toEqual([["good", "bad"], ["bad"]]);
});

test("the next caller loads anew when a load has failed", async () => {
  let fails = true;
  const cache = createKeyCache<string>({
    clock: () => 0,
    load: (keys) => {
      if (fails) throw new VarveError("database-unavailable", "away");
      return Promise.resolve(new Map(keys.map((key) => [key, accept(key)])));
    },
  });
  const settled = await Promise.allSettled([cache.getMany(["a"]), cache.getMany(["a"])]);
  expect(settled.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  fails = false;
  expect(await cache.getMany(["a"])).toEqual(new Map([["a", "a"]]));
});

test("an erasure stays held when an older reading of the key comes in late", async () => {
  const { cache, time } = numbered();
  cache.hold("a", "erased", time.nowMs);
  cache.hold("a", "living", time.nowMs - 1);
  expect((await cache.getMany(["a"])).get("a")).toBe("erased");
});
