import { VarveError } from "#kernel/errors.ts";

import { UsageError } from "./exit.ts";
import { readIfThere } from "./private-file.ts";

/** A running service, and a key that it believes. */
export type ServiceAccess = { readonly url: string; readonly key: string };

const REACHABLE_WITHIN_MS = 5_000;

/**
 * The service that `VARVE_URL` names (default: `localhost` on `PORT`) with the key of `VARVE_KEY`
 * (default: the development key). Throws UsageError for an address that is none,
 * `configuration-invalid` where there is no key, `service-unavailable` where nothing answers.
 */
export async function serviceAccess(address?: string): Promise<ServiceAccess> {
  const { VARVE_URL: named, VARVE_KEY: given, PORT: port } = process.env;
  const fallback = `http://localhost:${port || "3000"}`;
  const url = (address ?? (named || fallback)).replace(/\/+$/, "");
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? "")) {
    throw new UsageError("the address of the service begins with http:// or https://");
  }
  const key = given || (await readIfThere(".varve/dev-key"))?.trim();
  if (key === undefined) {
    const message = "no key: set VARVE_KEY, or run where `bun run dev` left .varve/dev-key";
    throw new VarveError("configuration-invalid", message);
  }
  const signal = AbortSignal.timeout(REACHABLE_WITHIN_MS);
  try {
    await (await fetch(`${url}/health/live`, { signal })).arrayBuffer();
  } catch (error) {
    const message = `no service answers at ${url}; \`bun run dev\` starts one`;
    throw new VarveError("service-unavailable", message, {}, error);
  }
  return { url, key };
}
