import { invariant } from "#kernel/errors.ts";

/**
 * A decimal price as whole pennies, half up: a tie goes to the larger number, also below zero.
 * Undefined unless the text is a plain decimal (`2.55`, `.5`, `-7`; no exponent, no separators).
 * Works on the digits: a float holds 1.005 as 1.00499…, which rounds the wrong way.
 */
export function pennies(text: string): number | undefined {
  const match = /^(-?)(\d*)\.?(\d*)$/.exec(text);
  const [, sign, whole = "", fraction = ""] = match ?? [];
  if (whole === "" && fraction === "") return undefined;
  const scaled = BigInt(`${sign}${whole}${fraction}`) * 100n;
  const unit = 10n ** BigInt(fraction.length);
  const rounded = Number(floorDivide(2n * scaled + unit, 2n * unit));
  return Number.isSafeInteger(rounded) ? rounded : undefined;
}

/** BigInt division cuts towards zero; half up needs the floor. */
function floorDivide(dividend: bigint, divisor: bigint): bigint {
  invariant(divisor > 0n, "the divisor is a power of ten");
  const quotient = dividend / divisor;
  return dividend % divisor < 0n ? quotient - 1n : quotient;
}
