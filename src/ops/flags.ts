import { UsageError } from "./exit.ts";

type Bounds = readonly [least: number, most: number];

/** Where nothing narrower is meant. */
const bounds: Bounds = [1, 999_999_999];

/** A whole number of a flag, both bounds included. Throws UsageError, which names them. */
export function wholeNumber(flag: string, text: string, [least, most] = bounds): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : -1;
  if (value >= least && value <= most) return value;
  throw new UsageError(`--${flag} needs a whole number from ${least} to ${most}`);
}
