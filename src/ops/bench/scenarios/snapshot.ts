import { compare } from "#ops/bench/compare.ts";
import { whileHeld } from "#ops/bench/held-transaction.ts";
import { ratesOf } from "#ops/bench/drive.ts";
import { type AppendBench, driven, measureInTurns, withAppenders } from "#ops/bench/scenario.ts";

/**
 * Appends while another session holds a snapshot for the whole run, as a dump does. Two databases,
 * so that the undisturbed side stays undisturbed: a snapshot keeps the dead rows of its own
 * database alone.
 */
export const snapshot = (bench: AppendBench) =>
  withAppenders(bench, ["quiet", "disturbed"], async ({ quiet, disturbed }) => {
    const shape = { events: 1, payloadSize: bench.payloadSize };
    const measured = await whileHeld(disturbed.url, "select count(*) from varve.streams", () =>
      measureInTurns(bench, "snapshot", {
        quiet: driven(quiet, shape),
        disturbed: driven(disturbed, shape),
      }),
    );
    return measured.map(({ writers, of: sides }) =>
      compare(
        { scenario: "snapshot", what: `appends/s, ${writers} writers`, aim: { atLeast: 0.9 } },
        { name: "undisturbed", values: ratesOf(sides.quiet) },
        { name: "under a held snapshot", values: ratesOf(sides.disturbed) },
      ),
    );
  });
