import { compare } from "#ops/bench/compare.ts";
import { ratesOf } from "#ops/bench/drive.ts";
import { whileHeld } from "#ops/bench/held-transaction.ts";
import {
  type AppendBench,
  driven,
  drivenOneByOne,
  measureInTurns,
  withAppenders,
} from "#ops/bench/scenario.ts";

/** Until the snapshot is old enough, whatever the machine. */
const AGEING = { writers: 64, durationMs: Number.POSITIVE_INFINITY };

/**
 * Appends while another session holds a snapshot for the whole run, as a dump does. Two databases,
 * so that the undisturbed side stays undisturbed: a snapshot keeps the dead rows of its own
 * database alone. Also one by one, since a row that every transaction changes gets as many dead
 * versions as there are transactions, and a group commit makes few of them.
 */
export const snapshot = (bench: AppendBench) =>
  withAppenders(bench, ["quiet", "disturbed"], async ({ quiet, disturbed }) => {
    const shape = { events: 1, payloadSize: bench.payloadSize };
    const sides = {
      quiet: driven(quiet, shape),
      disturbed: driven(disturbed, shape),
      quietSingle: drivenOneByOne(quiet, shape),
      disturbedSingle: drivenOneByOne(disturbed, shape),
    };
    const measured = await whileHeld(
      disturbed.url,
      "select count(*) from varve.streams",
      async () => {
        bench.note(`snapshot: ageing by ${bench.age} transactions`);
        const load = { ...AGEING, appendsMax: bench.age };
        await Promise.all([sides.quietSingle(load), sides.disturbedSingle(load)]);
        return measureInTurns(bench, "snapshot", sides);
      },
    );
    return measured.flatMap(({ writers, of }) => {
      const against = (what: string, base: keyof typeof sides, other: keyof typeof sides) =>
        compare(
          { scenario: "snapshot", what: `${what}, ${writers} writers`, aim: { atLeast: 0.9 } },
          { name: "undisturbed", values: ratesOf(of[base]) },
          { name: "under a held snapshot", values: ratesOf(of[other]) },
        );
      return [
        against("appends/s", "quiet", "disturbed"),
        against("appends/s one by one", "quietSingle", "disturbedSingle"),
      ];
    });
  });
