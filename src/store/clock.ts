import type { Clock } from "#kernel/clock.ts";

/**
 * The application's clock at this moment, as a parameter. The database compares its own with it,
 * and does what cannot be undone only where the two agree or the log speaks for it (`clock-ahead`).
 */
export const clockText = (clock: Clock): string => new Date(clock()).toISOString();
