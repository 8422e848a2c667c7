/**
 * How many connections a process may open. Steady and overflow are what a profile is made of in
 * sizing guides; the driver opens connections as they are needed, so that only the sum counts.
 */
export const poolProfiles = {
  light: { steady: 3, overflow: 5 },
  medium: { steady: 10, overflow: 15 },
  heavy: { steady: 20, overflow: 30 },
} as const;

/**
 * Connections of the server that no instance counts on: three that Postgres keeps for superusers
 * (`superuser_reserved_connections`), one for a migration or the upkeep of partitions, which one
 * instance at a time does, one for an operator's session.
 */
export const connectionsReserved = 5;

/** One for each of the four that must not wait for each other. */
export const poolSizeMin = 4;

/**
 * How a process divides its connections. Health never waits for the others; reads that hang cannot
 * hold commands up; the worker writes its views side by side where there is room.
 */
export function connectionShares(size: number) {
  const health = 1;
  const worker = size >= 6 ? 2 : 1;
  const queries = Math.floor((size - health - worker) / 2);
  return { health, worker, queries, commands: size - health - worker - queries };
}

export type PoolWish = {
  readonly profile: keyof typeof poolProfiles;
  readonly size: number | undefined;
  readonly connectionsMax: number;
  readonly instanceCount: number;
};

/** The connections left for one instance: (server's maximum − reserved) ÷ instances, whole. */
export const poolShare = (wish: Pick<PoolWish, "connectionsMax" | "instanceCount">): number =>
  Math.max(0, Math.floor((wish.connectionsMax - connectionsReserved) / wish.instanceCount));

/** The pool of this process: the size asked for, else the profile's, never above the share. */
export function poolSize(wish: PoolWish): number {
  const { steady, overflow } = poolProfiles[wish.profile];
  return Math.min(wish.size ?? steady + overflow, poolShare(wish));
}
