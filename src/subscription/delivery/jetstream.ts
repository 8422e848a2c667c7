/**
 * NATS JetStream: one message an event, on the subject of its type.
 *
 * What it promises: an event counts as taken once the stream has acknowledged it. The message id is
 * the event's, so that the server drops a repetition within the stream's duplicate window. The
 * connection is made at the first event, and found again for ever after it was lost.
 *
 * What it relies on: a stream that somebody made for the subjects `<prefix>.>`; the prefix is the
 * path of the address, `varve` without one. With `tls:` the server must offer TLS and its certificate
 * must hold; with `nats:` TLS is used where the server offers it.
 *
 * How it fails: as `outcome.ts` says. A server that is gone, wrong credentials and a missing stream
 * are all `dependency-unavailable`: no event is lost to a mistake in the set-up. Only a message that
 * is too large is refused. While the connection is lost every event fails at once, since what a
 * client holds back for a server may be lost with it.
 *
 * What it does not do: make streams, or decide what they keep.
 */
import type { JetStreamClient } from "@nats-io/jetstream";
import type { ConnectionOptions, NatsConnection } from "@nats-io/transport-node";

import { VarveError } from "#kernel/errors.ts";

import { bounded } from "./bounded.ts";
import { type CloudEvent, typePrefix } from "./cloud-event.ts";
import { reasonOf, refused, unavailable } from "./outcome.ts";
import type { Target, TargetConfig } from "./target.ts";

/**
 * How long one address may take to connect, the stream to acknowledge, and both together whatever
 * happens: a name may have several addresses.
 */
const patience = { connectMs: 4_000, acknowledgeMs: 5_000, sendMs: 10_000 };
/** Between two attempts to find a lost server; whoever waits for it is told at once anyway. */
const reconnectMs = 500;
/** A server that no longer answers is found out after two or three of these. */
const pingMs = 10_000;

const defaultPrefix = "varve";

/** The message is larger than the stream takes. Source: nats-server, errors.json. */
const streamMessageTooLarge = 10_054;

/** The client's packages. They are optional, and not loaded unless a target needs them. */
export type NatsClient = Awaited<ReturnType<typeof loadNatsClient>>;

/** Throws `configuration-invalid` where the packages are not installed, or were not when it was built. */
export async function loadNatsClient() {
  try {
    const { connect, headers, InvalidArgumentError, RequestError } =
      await import("@nats-io/transport-node");
    const { jetstream, JetStreamApiError } = await import("@nats-io/jetstream");
    return { connect, headers, InvalidArgumentError, RequestError, jetstream, JetStreamApiError };
  } catch (error) {
    const message =
      "DELIVERY_TARGETS needs the packages @nats-io/transport-node and @nats-io/jetstream for a NATS server";
    throw new VarveError("configuration-invalid", message, {}, error);
  }
}

/** One level of a subject: no wildcard, no white space, not empty. */
const token = (text: string): string => text.replaceAll(/[^A-Za-z0-9_-]/g, "_") || "_";

/** `shop.Order.OrderCreated` of an event of the type `varve.Order.OrderCreated`. */
const subjectOf = (prefix: string, { type }: CloudEvent): string =>
  [prefix, ...type.slice(typePrefix.length).split(".").map(token)].join(".");

/** User and password, or a token, which stands alone before the host. */
function credentialsOf({ username, password }: URL): ConnectionOptions {
  if (username === "") return {};
  const user = decodeURIComponent(username);
  return password === "" ? { token: user } : { user, pass: decodeURIComponent(password) };
}

const optionsOf = (url: URL, timeout: number): ConnectionOptions => ({
  servers: url.host,
  ...credentialsOf(url),
  ...(url.protocol === "tls:" ? { tls: {} } : {}),
  name: "varve",
  timeout,
  maxReconnectAttempts: -1,
  reconnectTimeWait: reconnectMs,
  pingInterval: pingMs,
  noAsyncTraces: true,
});

export type JetStreamOptions = TargetConfig & { readonly patience?: Partial<typeof patience> };

type Link = {
  readonly publisher: JetStreamClient;
  readonly isUp: () => boolean;
};

function linkOf({ jetstream }: NatsClient, connection: NatsConnection): Link {
  let up = true;
  const follow = async (): Promise<void> => {
    for await (const { type } of connection.status()) {
      if (type === "disconnect" || type === "close") up = false;
      else if (type === "reconnect") up = true;
    }
  };
  void follow();
  return { publisher: jetstream(connection), isUp: () => up };
}

/**
 * The link, made when it is first wanted and again where the client has given it up. Whatever keeps
 * it from being made is no fault of an event: `dependency-unavailable`.
 */
function createLinks(name: string, client: NatsClient, options: ConnectionOptions) {
  let link: Promise<Link> | undefined;
  let open: NatsConnection | undefined;
  let closed = false;

  const forget = (): void => {
    link = undefined;
    open = undefined;
  };

  const connect = async (): Promise<Link> => {
    const connection = await client.connect(options);
    // It was made for nobody any more.
    if (closed) await connection.close();
    open = connection;
    void connection.closed().then(forget);
    return linkOf(client, connection);
  };

  return {
    get: (): Promise<Link> => {
      if (closed) throw unavailable(name, { reason: "aborted" });
      link ??= connect().catch((error: unknown) => {
        forget();
        throw unavailable(name, { reason: reasonOf(error) });
      });
      return link;
    },
    close: async (): Promise<void> => {
      closed = true;
      await open?.close();
    },
  };
}

/** Opens nothing yet. */
export function createJetStream(config: JetStreamOptions, client: NatsClient): Target {
  const { name } = config;
  const { connectMs, acknowledgeMs, sendMs } = { ...patience, ...config.patience };
  const url = new URL(config.url);
  const prefix = url.pathname.replaceAll("/", "") || defaultPrefix;
  const links = createLinks(name, client, optionsOf(url, connectMs));

  const publish = async (event: CloudEvent, signal: AbortSignal): Promise<void> => {
    const { publisher, isUp } = await links.get();
    // Whoever has given up must not be heard after the next one who tries.
    signal.throwIfAborted();
    if (!isUp()) throw unavailable(name, { reason: "disconnected" });
    const headers = client.headers();
    headers.set("content-type", "application/cloudevents+json");
    await publisher.publish(subjectOf(prefix, event), JSON.stringify(event), {
      msgID: event.id,
      headers,
      timeout: acknowledgeMs,
    });
  };

  const outcomeOf = (error: unknown): VarveError => {
    if (error instanceof VarveError) return error;
    const cause = error instanceof Error ? error.cause : undefined;
    const isUnheard = cause instanceof client.RequestError && cause.isNoResponders();
    const reason = isUnheard ? "NoResponders" : reasonOf(error);
    // The client's word for a message that is larger than the server takes.
    if (error instanceof client.InvalidArgumentError) return refused(name, { reason });
    if (!(error instanceof client.JetStreamApiError)) return unavailable(name, { reason });
    const context = { reason, natsCode: error.code };
    const isTooLarge = error.code === streamMessageTooLarge;
    return isTooLarge ? refused(name, context) : unavailable(name, context);
  };

  return {
    send: (event, signal) =>
      bounded({ target: name, signal, timeoutMs: sendMs }, (within) =>
        publish(event, within).catch((error: unknown) => {
          throw outcomeOf(error);
        }),
      ),
    close: () => links.close(),
  };
}
