import { compare, type Comparison } from "#ops/bench/compare.ts";
import { ratesOf } from "#ops/bench/drive.ts";
import { type AppendBench, driven, measureInTurns, withAppenders } from "#ops/bench/scenario.ts";

const EVENTS = 10;
const KIB = 1_024;

/** Ten events an append against one: what the fixed cost of an append is. */
export const tenEvents = (bench: AppendBench) =>
  withAppenders(bench, ["log"], async ({ log }) => {
    const { payloadSize } = bench;
    const measured = await measureInTurns(bench, "events-10", {
      one: driven(log, { events: 1, payloadSize }),
      ten: driven(log, { events: EVENTS, payloadSize }),
    });
    return measured.flatMap(({ writers, of: sides }): Comparison[] => {
      const of = { scenario: "events-10", aim: null };
      const events = ratesOf(sides.ten).map((rate) => rate * EVENTS);
      const [base, other] = ["1 event an append", `${EVENTS} events an append`];
      return [
        compare(
          { ...of, what: `appends/s, ${writers} writers` },
          { name: base, values: ratesOf(sides.one) },
          { name: other, values: ratesOf(sides.ten) },
        ),
        compare(
          { ...of, what: `events/s, ${writers} writers` },
          { name: base, values: ratesOf(sides.one) },
          { name: other, values: events },
        ),
      ];
    });
  });

/** Large payloads against the ordinary one. */
export const payloads = (bench: AppendBench) =>
  withAppenders(bench, ["log"], async ({ log }) => {
    const side = (payloadSize: number) => driven(log, { events: 1, payloadSize });
    const measured = await measureInTurns(bench, "payloads", {
      ordinary: side(bench.payloadSize),
      one: side(KIB),
      sixteen: side(16 * KIB),
    });
    return measured.flatMap(({ writers, of: sides }) => {
      const of = { scenario: "payloads", what: `appends/s, ${writers} writers`, aim: null };
      const base = { name: `${bench.payloadSize} characters`, values: ratesOf(sides.ordinary) };
      return [
        compare(of, base, { name: "1 KiB", values: ratesOf(sides.one) }),
        compare(of, base, { name: "16 KiB", values: ratesOf(sides.sixteen) }),
      ];
    });
  });
