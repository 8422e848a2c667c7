import { compare, judge } from "#ops/bench/compare.ts";
import { withOrders } from "#ops/bench/filled-orders.ts";
import { benchHttp, type HttpBench } from "#ops/bench/http.ts";
import type { ProjectBench } from "#ops/bench/scenario.ts";
import { startService } from "#ops/bench/service.ts";
import { invariant } from "#kernel/errors.ts";

const P99_MS = 50;

/**
 * What a caller waits for its own write: commands at a steady rate over HTTP to our own program as a
 * service, each followed by one read with `Varve-Min-Position`. The first round is its warming up.
 */
export const live = (bench: ProjectBench) =>
  withOrders({ ...bench, file: undefined }, "live", 1, async ({ pool, poolOptions, keys }) => {
    const { rounds, perSecond, durationMs, note } = bench;
    const { access, stop } = await startService(pool, poolOptions.url, keys);
    const measured: HttpBench[] = [];
    try {
      for (let round = 0; round <= rounds; round += 1) {
        const of = { ...access, perSecond, durationMs, read: "waiting" as const };
        const one = await benchHttp(of);
        invariant(one.failed === 0, `${one.failed} commands failed or were not seen`);
        if (round > 0) measured.push(one);
        note(`live: round ${round} of ${rounds}`);
      }
    } finally {
      await stop();
    }
    const names = {
      answered: "until the answer",
      visible: "until it can be read",
      after: "from the answer until it can be read",
    };
    const valuesOf = (of: "answered" | "visible" | "after", share: "p50Ms" | "p99Ms") => ({
      name: names[of],
      values: measured.map((one) => one[of][share]),
    });
    const at = `at ${perSecond} commands a second`;
    const scenario = "live";
    return [
      judge({ scenario, what: `p99 ms ${at}` }, { atMost: P99_MS }, valuesOf("visible", "p99Ms")),
      ...(["p50Ms", "p99Ms"] as const).map((share) =>
        compare(
          { scenario, what: `${share.slice(0, 3)} ms ${at}`, aim: null },
          valuesOf("answered", share),
          valuesOf("after", share),
        ),
      ),
    ];
  });
