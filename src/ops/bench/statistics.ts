/** The value below which the share of an ascending list lies; 0 of an empty one. */
export const quantile = (ascending: readonly number[], share: number): number =>
  ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? 0;

export const ascending = (values: readonly number[]): readonly number[] =>
  values.toSorted((left, right) => left - right);

export const median = (values: readonly number[]): number => quantile(ascending(values), 0.5);
