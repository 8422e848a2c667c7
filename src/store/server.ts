import type { Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

/** What a server is and what this session may do there. */
export type ServerFacts = {
  /** 170010 for 17.10. */
  readonly versionNumber: number;
  readonly version: string;
  /** Whether it only follows another server and takes no writes. */
  readonly standby: boolean;
  /** The server's clock, ISO 8601. */
  readonly at: string;
  /** The protocol of the session's encryption, null where there is none. */
  readonly tls: string | null;
  readonly superuser: boolean;
  /** Whether the session owns the log; null, as the two below, before the schema is there. */
  readonly owner: boolean | null;
  readonly mayAppend: boolean | null;
  /** Whether it could insert past the functions. */
  readonly mayInsert: boolean | null;
  readonly fsync: string;
  readonly fullPageWrites: string;
  readonly synchronousCommit: string;
  readonly sizeBytes: number;
};

type ServerRow = Row & {
  readonly version_number: number;
  readonly version: string;
  readonly standby: boolean;
  readonly at: string;
  readonly tls: string | null;
  readonly superuser: boolean;
  readonly owner: boolean | null;
  readonly may_append: boolean | null;
  readonly may_insert: boolean | null;
  readonly fsync: string;
  readonly full_page_writes: string;
  readonly synchronous_commit: string;
  readonly size_bytes: number;
};

/** One look at the server, migrated or not. Throws what the pool throws. */
export async function readServer(pool: Pool): Promise<ServerFacts> {
  const [row] = await pool.query<ServerRow>(queries.readServer, []);
  if (row === undefined) throw new Error("the server's facts are one row");
  return {
    versionNumber: row.version_number,
    version: row.version,
    standby: row.standby,
    at: row.at,
    tls: row.tls,
    superuser: row.superuser,
    owner: row.owner,
    mayAppend: row.may_append,
    mayInsert: row.may_insert,
    fsync: row.fsync,
    fullPageWrites: row.full_page_writes,
    synchronousCommit: row.synchronous_commit,
    sizeBytes: row.size_bytes,
  };
}
