/**
 * The targets: where chosen events leave for other systems.
 *
 * What it is: one target for each publication that the configuration gives an address; the scheme
 * says of which kind it is. `publish` is all that a runtime needs to know.
 *
 * What it promises: an event was taken by its target when `publish` has resolved, and its promise
 * settles within a bounded time. What leaves is sealed but for the fields that the publication opens.
 *
 * What it relies on: one runtime that publishes the events of a stream one after the other, again
 * until they are taken; receivers then see each at least once and in order.
 *
 * How it fails: `configuration-invalid` at the start, where a target has no publication, or its
 * client is not installed. Later as `outcome.ts` says, and as the keyring does where fields are opened.
 *
 * What it does not do: retry, wait, remember or choose events.
 */
import type { DeclaredPublication } from "#domain/publications.ts";
import type { Clock } from "#kernel/clock.ts";
import { invariant, VarveError } from "#kernel/errors.ts";
import type { Keyring } from "#pii/keyring.ts";

import { cloudEventOf, type PublishedEvent } from "./cloud-event.ts";
import { createJetStream, loadNatsClient } from "./jetstream.ts";
import { openPublished } from "./open-fields.ts";
import type { Target, TargetConfig } from "./target.ts";
import { createWebhook } from "./webhook.ts";

export type TargetsOptions = {
  readonly targets: readonly TargetConfig[];
  /** What every event names as its source: a URI reference. */
  readonly source: string;
  /** Those that the domain declares; the ones without a target are left alone. */
  readonly publications: readonly DeclaredPublication[];
  /** Opens fields; wanted only where a publication with a target opens some. */
  readonly keyring?: Keyring;
  /** Milliseconds since the epoch, as receivers' clocks have them. */
  readonly clock: Clock;
};

export type Targets = {
  /** The publications that have a target, in the order of the configuration. */
  readonly names: readonly string[];
  /**
   * Resolves once the target of that name has taken the event. Rejects with `dependency-unavailable`,
   * `delivery-failed` or `delivery-refused`; with `dependency-unavailable` as well when the signal
   * fires. It is safe to repeat after each of them: the event's id tells the target.
   */
  readonly publish: (name: string, event: PublishedEvent, signal: AbortSignal) => Promise<void>;
  /** Lets go of every connection. Never rejects. */
  readonly close: () => Promise<void>;
};

const isNats = ({ url }: TargetConfig): boolean => /^(?:nats|tls):/.test(url);

/**
 * Throws `configuration-invalid` where a target cannot be opened by this program, whatever its server
 * may say; connects to nobody.
 */
export async function assertTargets(targets: readonly TargetConfig[]): Promise<void> {
  if (targets.some(isNats)) await loadNatsClient();
}

/** Opens the targets; connections are made when they are needed. Throws as the head of the file says. */
export async function openTargets(options: TargetsOptions): Promise<Targets> {
  const { targets, source, publications, keyring, clock } = options;
  const client = targets.some(isNats) ? await loadNatsClient() : undefined;
  const open = (config: TargetConfig): Target =>
    client !== undefined && isNats(config)
      ? createJetStream(config, client)
      : createWebhook({ ...config, clock });

  const routes = new Map<string, { publication: DeclaredPublication; target: Target }>();
  for (const config of targets) {
    const publication = publications.find(({ name }) => name === config.name);
    if (publication === undefined) {
      const message = "DELIVERY_TARGETS names a publication that the domain does not declare";
      throw new VarveError("configuration-invalid", message);
    }
    const canOpen = publication.opened.size === 0 || keyring !== undefined;
    invariant(canOpen, `${publication.name} opens fields and was given no keyring`);
    routes.set(config.name, { publication, target: open(config) });
  }

  /** The event as it may leave. */
  const released = async (
    publication: DeclaredPublication,
    event: PublishedEvent,
  ): Promise<PublishedEvent> => {
    if (keyring === undefined || publication.opened.size === 0) return event;
    const [opened = event] = await openPublished(keyring, publication, [event]);
    return opened;
  };

  return {
    names: [...routes.keys()],
    publish: async (name, event, signal) => {
      const route = routes.get(name);
      invariant(route !== undefined, `there is no target for ${name}`);
      const { publication, target } = route;
      const isChosen = publication.events.includes(event.type);
      invariant(isChosen, `${event.type} is not published by ${name}`);
      await target.send(cloudEventOf(await released(publication, event), source), signal);
    },
    close: async () => {
      await Promise.all([...routes.values()].map(({ target }) => target.close()));
    },
  };
}
