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
 * (`superuser_reserved_connections`), one for a migration, one for an operator's session.
 */
export const connectionsReserved = 5;

/** Two for the worker, one for the health routes, and at least one for requests. */
export const poolSizeMin = 4;

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
