import type { Logger } from "#kernel/log.ts";

import { type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded-postgres.ts";

/** Where development keeps its database, its keys and its access. */
export const developmentDirectory = ".varve";

export type DevelopmentOptions = {
  readonly durable?: boolean;
  /** Default: a free one. */
  readonly port?: number;
  readonly log?: Logger;
};

/** The database of `bun run dev`, started, or adopted where it runs. Throws as the embedded one. */
export const startDevelopmentDatabase = (
  options: DevelopmentOptions = {},
): Promise<EmbeddedPostgres> =>
  startEmbeddedPostgres({
    directory: `${developmentDirectory}/postgres`,
    database: "varve",
    bin: process.env["PG_BIN"],
    ...options,
  });
