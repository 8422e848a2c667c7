import type { Config } from "#ops/config.ts";
import type { Pool } from "#store/pool.ts";
import type { ServerFacts } from "#store/server.ts";

/** What a check found: `fail` where the service cannot run or would break a promise. */
export type Finding = {
  readonly status: "ok" | "warn" | "fail";
  readonly says: string;
  /** What to do; where all is well there is nothing to do. */
  readonly remedy?: string;
};

/** A finding with the name of its check. */
export type Diagnosis = Finding & { readonly check: string };

/** What the checks look at: a configuration that is valid and a database that answers. */
export type Patient = {
  readonly config: Config;
  /** Whether the database is the embedded one of development. */
  readonly embedded: boolean;
  readonly pool: Pool;
  readonly server: ServerFacts;
  /** This machine's clock minus the database's, and how exact that is. */
  readonly clock: { readonly aheadMs: number; readonly plusMinusMs: number };
};

/** One question about the installation. It changes nothing; what it throws is a `fail`. */
export type Check = {
  readonly name: string;
  /** Whether it can be asked only where every migration is applied. */
  readonly needsSchema: boolean;
  readonly run: (patient: Patient) => Finding | Promise<Finding>;
};

export const ok = (says: string): Finding => ({ status: "ok", says });
export const warn = (says: string, remedy: string): Finding => ({ status: "warn", says, remedy });
export const fail = (says: string, remedy: string): Finding => ({ status: "fail", says, remedy });
