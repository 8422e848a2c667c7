import { type Check, fail, type Finding, ok, type Patient, warn } from "./check.ts";

/** Where the SQL is tested. */
const versionMin = 15;
const versionMax = 18;
/** `created_at` is the database's clock; callers' times come from this machine's. */
const clockWarnMs = 5_000;
/** From here on appends are refused, since one of the clocks must be wrong. */
const clockFailMs = 60 * 60_000;

function serverVersion({ server }: Patient): Finding {
  const major = Math.floor(server.versionNumber / 10_000);
  const says = `Postgres ${server.version}`;
  if (server.standby) {
    return fail(`${says} is a standby, which takes no writes`, "let DATABASE_URL name the primary");
  }
  if (major < versionMin) {
    return fail(says, `upgrade the server: ${versionMin} is the oldest that the SQL runs on`);
  }
  if (major <= versionMax) return ok(says);
  return warn(says, `it is newer than ${versionMax}, the newest that this version was tested on`);
}

function encryption({ config, embedded, server }: Patient): Finding {
  if (server.tls !== null) {
    const checked = config.database.ssl === "verify-full" ? "checked" : "not checked";
    return ok(`the connection is encrypted (${server.tls}), the server's identity is ${checked}`);
  }
  if (embedded) return ok("the embedded database is on this machine");
  const says = "the connection is not encrypted";
  return config.production
    ? warn(says, "set DB_SSL=verify-full, unless the network between is your own")
    : ok(says);
}

function durability({ config, embedded, server }: Patient): Finding {
  const { fsync, fullPageWrites: pages, synchronousCommit: commit } = server;
  const lacking = [
    ...(fsync === "on" ? [] : [`fsync=${fsync}`]),
    ...(pages === "on" ? [] : [`full_page_writes=${pages}`]),
    ...(["off", "local"].includes(commit) ? [`synchronous_commit=${commit}`] : []),
  ];
  if (lacking.length === 0) return ok("what is acknowledged is on disk");
  const says = `an acknowledged event can be lost: ${lacking.join(", ")}`;
  if (embedded) return warn(says, "`bun run dev --durable` keeps what is acknowledged");
  const remedy = "set them to on, for the server and for the role and the database";
  return config.production ? fail(says, remedy) : warn(says, remedy);
}

function clockSkew({ clock }: Patient): Finding {
  const { aheadMs, plusMinusMs } = clock;
  const skewMs = Math.max(0, Math.abs(aheadMs) - plusMinusMs);
  const which = aheadMs > 0 ? "ahead of" : "behind";
  const says = `this machine's clock is ${(skewMs / 1000).toFixed(1)} s ${which} the database's`;
  const remedy = "synchronise both clocks (NTP)";
  if (skewMs >= clockFailMs) return fail(says, remedy);
  return skewMs >= clockWarnMs ? warn(says, remedy) : ok("both clocks agree");
}

/** What can be asked of any server. */
export const serverChecks: readonly Check[] = [
  { name: "server", needsSchema: false, run: serverVersion },
  { name: "encryption", needsSchema: false, run: encryption },
  { name: "durability", needsSchema: false, run: durability },
  { name: "clock", needsSchema: false, run: clockSkew },
];
