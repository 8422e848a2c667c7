import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

import { Defect } from "#kernel/errors.ts";
import type { KeyTexts } from "#ops/config.ts";
import type { ServiceAccess } from "#ops/service-access.ts";
import { createApiKey, mintApiKey } from "#store/api-keys.ts";
import type { Pool } from "#store/pool.ts";

import { itself } from "./child.ts";

/** Our own program as a service on the database, in production mode, and what it is called with. */
export async function startService(pool: Pool, databaseUrl: string, keys: KeyTexts) {
  const key = mintApiKey("bench");
  await createApiKey(pool, key, "a benchmark's", ["*"]);
  const { PATH = "" } = process.env;
  const child = spawn(process.execPath, [...itself(), "serve"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      PATH,
      APP_ENV: "production",
      HOST: "127.0.0.1",
      PORT: "0",
      DATABASE_URL: databaseUrl,
      PII_MASTER_KEYS: keys.masterKeys,
      PII_INDEX_KEY: keys.indexKey,
      PII_LOOKUP_KEY: keys.lookupKey,
      AUDIT_SIGNING_KEY: keys.auditSigningKey,
    },
  });
  const kill = (): void => void child.kill("SIGKILL");
  process.on("exit", kill);
  const port = Promise.withResolvers<number>();
  const gone = Promise.withResolvers<void>();
  child.on("close", () => {
    process.off("exit", kill);
    port.reject(new Defect("the service has ended"));
    gone.resolve();
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    const found = /"port":(\d+).*"message":"serving"/.exec(line)?.[1];
    if (found !== undefined) port.resolve(Number(found));
  });
  const access: ServiceAccess = { url: `http://127.0.0.1:${await port.promise}`, key };
  return {
    access,
    stop: (): Promise<void> => {
      child.kill("SIGTERM");
      return gone.promise;
    },
  };
}
