/**
 * The way to the server: one TCP connection, encrypted and verified where that is asked for.
 *
 * What it promises: where TLS is asked for, not one byte of a session is sent without it; with
 * `verify`, only to a server whose certificate a trusted authority has given to that very host, be it
 * a name or an address. Every step ends within `CONNECT_TIMEOUT_MS`. Several hosts are tried in turn.
 *
 * What it relies on: the runtime's TLS for the chain of certificates and for the host's identity.
 *
 * How it fails: `database-unavailable` whose message says TLS where it was that, and whose context
 * has the runtime's own code. A server that lets in and hangs up is asked once for each session: the
 * driver by itself would ask hundreds of times a second.
 *
 * What it does not do: speak the protocol of Postgres beyond asking for encryption. Client
 * certificates and `sslmode=prefer` (which encrypts unless somebody objects) are not known.
 */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { checkServerIdentity, connect as connectTls } from "node:tls";

import { VarveError } from "#kernel/errors.ts";

/** `false`: none. Without `verify` the server may be anybody; `ca` is PEM, default the system's. */
export type Tls = false | { readonly verify: boolean; readonly ca?: string | undefined };

export type Target = {
  /** Several hosts may stand in it, separated by commas. */
  readonly url: string;
  /** Default: what the URL's `sslmode` says, else none. */
  readonly ssl?: Tls | undefined;
};

/** For each step: reaching the host, agreeing on TLS, and (the driver's) logging in. */
export const CONNECT_TIMEOUT_MS = 5_000;
/** A connection on which nothing moves for this long is asked whether it still lives. */
const KEEP_ALIVE_MS = 30_000;
/** Source: Postgres, 55.7: length 8, code 80877103; the answer is one byte, `S` or `N`. */
const sslRequest = Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47);
const sslAccepted = 83;

type Host = { readonly host: string; readonly port: number };

/** In their order; 5432 where no port is named. */
function hostsOf(url: string): readonly Host[] {
  const hosts = /^[a-z]+:\/\/(?:[^@/?]*@)?([^/?#]*)/.exec(url)?.[1] ?? "";
  return hosts.split(",").map((text) => {
    const [, address, name, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(text) ?? [];
    return {
      host: decodeURIComponent(address ?? name ?? "") || "localhost",
      port: Number(port ?? 5432),
    };
  });
}

/**
 * What an `sslmode` asks for. `verify-ca` is held for `verify-full`: a certificate of anybody known
 * to the authority proves nothing of this server. Throws `configuration-invalid` for other words.
 */
export function tlsOfMode(mode: string, ca?: string): Tls {
  if (mode === "disable") return false;
  if (mode === "require") return { verify: false };
  if (mode === "verify-full" || mode === "verify-ca") return { verify: true, ca };
  throw new VarveError("configuration-invalid", "that sslmode of the database URL is not known");
}

/** The `sslmode` that stands in a URL, its first if there are several. */
export const sslModeOf = (url: string): string | undefined =>
  new URLSearchParams(/\?([^#]*)/.exec(url)?.[1] ?? "").get("sslmode") ?? undefined;

const sayings: Readonly<Record<string, string>> = {
  TLS_NOT_OFFERED: "the server does not offer it",
  CERT_HAS_EXPIRED: "the server's certificate has expired",
  CERT_NOT_YET_VALID: "the server's certificate is not valid yet",
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate is for another host",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "no trusted authority has signed the server's certificate",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "no trusted authority has signed the server's certificate",
  SELF_SIGNED_CERT_IN_CHAIN: "no trusted authority has signed the server's certificate",
  DEPTH_ZERO_SELF_SIGNED_CERT: "no trusted authority has signed the server's certificate",
};

type Phase = "connection" | "TLS";

function failure(phase: Phase, reason: string, cause?: unknown): VarveError {
  const message =
    phase === "TLS"
      ? `TLS to the database failed: ${sayings[reason] ?? reason}`
      : "the connection to the database failed";
  return new VarveError("database-unavailable", message, { reason }, cause);
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : "unknown";

/** What came with the event. Where something else comes, or nothing, the socket is gone. */
async function once<Value>(socket: Socket, event: string, phase: Phase): Promise<Value> {
  const { promise, resolve, reject } = Promise.withResolvers<Value>();
  const fail = (reason: string, cause?: unknown): void => {
    reject(failure(phase, reason, cause));
    // An error may still follow, and one that nobody hears ends the process.
    socket.on("error", () => undefined).destroy();
  };
  const onError = (error: unknown): void => fail(codeOf(error), error);
  const onClose = (): void => fail("CONNECTION_CLOSED");
  const timer = setTimeout(() => fail("CONNECT_TIMEOUT"), CONNECT_TIMEOUT_MS);
  socket.once(event, resolve).once("error", onError).once("close", onClose);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.off(event, resolve).off("error", onError).off("close", onClose);
  }
}

async function reach({ host, port }: Host): Promise<Socket> {
  const socket = connectTcp(
    host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port },
  );
  await once(socket, "connect", "connection");
  socket.setNoDelay(true);
  return socket.setKeepAlive(true, KEEP_ALIVE_MS);
}

async function encrypt(plain: Socket, host: string, tls: Exclude<Tls, false>): Promise<Socket> {
  plain.write(sslRequest);
  const answer = await once<Uint8Array>(plain, "data", "TLS");
  // What stands behind that byte was not encrypted: somebody else has put it there (CVE-2021-23222).
  if (answer.length !== 1 || answer[0] !== sslAccepted) {
    plain.destroy();
    throw failure("TLS", "TLS_NOT_OFFERED");
  }
  const secured = connectTls({
    socket: plain,
    rejectUnauthorized: tls.verify,
    checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    // An address is no name to ask for (RFC 6066, section 3).
    ...(isIP(host) === 0 ? { servername: host } : {}),
  });
  await once(secured, "secureConnect", "TLS");
  return secured;
}

async function dial(host: Host, tls: Tls): Promise<Socket> {
  const socket = await reach(host);
  return tls === false ? socket : encrypt(socket, host.host, tls);
}

/** Makes the sockets of one session. */
export type Dialer = {
  /** The next host's that can be reached. Throws the last failure when all have been tried. */
  readonly socket: () => Promise<Socket>;
  /** Lets one more socket be made, to the host of the last one: a request to cancel needs it. */
  readonly again: () => void;
};

/** Dials nothing yet. Throws as `tlsOfMode`. */
export function createDialer({
  url,
  ssl = tlsOfMode(sslModeOf(url) ?? "disable"),
}: Target): Dialer {
  const hosts = hostsOf(url);
  let tried = 0;
  return {
    socket: async () => {
      let last = failure("connection", "CONNECTION_CLOSED");
      for (let host = hosts[tried]; host !== undefined; host = hosts[tried]) {
        tried += 1;
        try {
          return await dial(host, ssl);
        } catch (error) {
          if (!(error instanceof VarveError)) throw error;
          last = error;
        }
      }
      throw last;
    },
    again: () => {
      tried -= 1;
    },
  };
}
