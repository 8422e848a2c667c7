import type { Logger } from "#kernel/log.ts";

import { type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded-postgres.ts";

/** Where development keeps its database, its keys and its access. */
export const developmentDirectory = ".varve";

/** The database of `bun run dev`, started, or adopted where it runs. Throws as the embedded one. */
export const startDevelopmentDatabase = (
  options: { readonly durable?: boolean; readonly log?: Logger } = {},
): Promise<EmbeddedPostgres> =>
  startEmbeddedPostgres({
    directory: `${developmentDirectory}/postgres`,
    database: "varve",
    bin: process.env["PG_BIN"],
    ...options,
  });
