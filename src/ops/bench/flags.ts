import { UsageError } from "#ops/exit.ts";
import { wholeNumber } from "#ops/flags.ts";

/** Seconds of a flag, which may be parts of one, as milliseconds. */
export function seconds(flag: string, text: string): number {
  const durationMs = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) * 1000 : 0;
  if (durationMs > 0) return durationMs;
  throw new UsageError(`--${flag} needs a number of seconds`);
}

/** Whole numbers of a flag, parted by commas. */
export const wholeNumbers = (flag: string, text: string): readonly number[] =>
  text.split(",").map((one) => wholeNumber(flag, one));

/** The scenarios of a flag, parted by commas; `all` is every one of them, in the table's order. */
export function chosen<Scenario>(
  text: string,
  table: Readonly<Record<string, Scenario>>,
): readonly Scenario[] {
  const names = text === "all" ? Object.keys(table) : text.split(",");
  return names.map((name) => {
    const scenario = Object.hasOwn(table, name) ? table[name] : undefined;
    if (scenario !== undefined) return scenario;
    throw new UsageError(`--scenario is one of ${[...Object.keys(table), "all"].join(", ")}`);
  });
}
