import { z } from "zod";

import { aggregates } from "#domain/registry.ts";
import { publicationsOf } from "#domain/publications.ts";
import { fromBase64 } from "#pii/base64.ts";
import type { TargetConfig } from "#subscription/delivery/target.ts";

import type { ConfigFault, ReadVariables } from "./config-checks.ts";
import type { VariableName } from "./config-schema.ts";

/** Settings of delivery: where publications go, and what webhooks are signed with. */

const nameForm = /^[a-z][a-z0-9-]*$/;
/** Levels of a subject. */
const prefixForm = /^\/?$|^\/[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
const schemes = ["http:", "https:", "nats:", "tls:"];
/** What Standard Webhooks wants of a secret. */
const secretBytesMin = 24;
const secretBytesMax = 64;

type Pair = { readonly name: string; readonly value: string };

const pairsOf = (text: string, border: string): readonly Pair[] =>
  text.split(",").map((pair) => {
    const at = pair.indexOf(border);
    return { name: pair.slice(0, Math.max(at, 0)), value: pair.slice(at + 1) };
  });

/** The URL of a target; undefined for none, and for one of another kind. */
export function targetUrl(text: string): URL | undefined {
  const url = /^[!-~]+$/.test(text) ? URL.parse(text) : null;
  return url !== null && schemes.includes(url.protocol) && url.host !== "" ? url : undefined;
}

const isTarget = ({ name, value }: Pair): boolean =>
  nameForm.test(name) && targetUrl(value) !== undefined;

const isWebhook = (url: string): boolean => /^https?:/i.test(url);

/** A webhook says who sends by its signature; an address with a user would say it twice. */
function isPlain({ value }: Pair): boolean {
  const { username, password, hash } = new URL(value);
  return !isWebhook(value) || (username === "" && password === "" && hash === "");
}

const isDecodable = (text: string): boolean => !/%(?![0-9A-Fa-f]{2})/.test(text);

function isServer({ value }: Pair): boolean {
  const { username, password, pathname, search, hash } = new URL(value);
  const isNamed = username !== "" || password === "";
  const isPrefix = prefixForm.test(pathname) && search === "" && hash === "";
  return isWebhook(value) || (isNamed && isDecodable(username + password) && isPrefix);
}

/** `name=url` pairs separated by commas, each name once. */
export const targetList = () =>
  z
    .string()
    .refine((text) => targetPairs(text).every(isTarget), {
      error: "must be name=url pairs separated by commas, each URL http, https, nats or tls",
      abort: true,
    })
    .refine((text) => targetPairs(text).every(isPlain), {
      error: "must have no user, password or fragment in an http or https URL",
    })
    .refine((text) => targetPairs(text).every(isServer), {
      error:
        "must have in a nats or tls URL a user, a password and no path but a prefix of subjects like /shop",
    })
    .refine((text) => new Set(namesOf(targetPairs(text))).size === targetPairs(text).length, {
      error: "must name each publication once",
    })
    .transform((text) => targetPairs(text).map(({ name, value }) => ({ name, url: value })));

/** The pairs as they stand in the text, well-formed or not. */
export const targetPairs = (text: string): readonly Pair[] => pairsOf(text, "=");

const namesOf = (pairs: readonly Pair[]): readonly string[] => pairs.map(({ name }) => name);

function isSecret({ name, value }: Pair): boolean {
  const length = value.startsWith("whsec_") ? fromBase64(value.slice(6))?.length : undefined;
  const isLong = length !== undefined && length >= secretBytesMin && length <= secretBytesMax;
  return nameForm.test(name) && isLong;
}

/** `name:whsec_<base64>` pairs separated by commas; several of one name replace one another. */
export const secretList = () =>
  z
    .string()
    .refine((text) => pairsOf(text, ":").every(isSecret), {
      error: `must be name:whsec_base64 pairs separated by commas, each of ${secretBytesMin} to ${secretBytesMax} bytes`,
    })
    .transform((text) => pairsOf(text, ":").map(({ name, value }) => ({ name, secret: value })));

/** A URI reference as CloudEvents names a source. Source: RFC 3986, section 2. */
export const uriReference = () =>
  z
    .string()
    .regex(
      /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2}){1,255}$/,
      "must be a URI reference of at most 255 characters",
    );

/** Whether it leaves the machine in clear text. */
function isExposed(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  const isLoopback =
    hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d+){3}$/.test(hostname);
  return protocol === "http:" && !isLoopback;
}

/** What only several settings together, or the domain, can tell to be wrong with delivery. */
export function deliveryFaults(
  read: ReadVariables,
  faulty: ReadonlySet<VariableName>,
): readonly ConfigFault[] {
  const { DELIVERY_TARGETS: targets = [], DELIVERY_SECRETS: secrets = [], APP_ENV: mode } = read;
  if (faulty.has("DELIVERY_TARGETS")) return [];
  const found: ConfigFault[] = [];
  const declared = publicationsOf(aggregates).map(({ name }) => name);
  if (targets.some(({ name }) => !declared.includes(name))) {
    const message = `must only name publications of the domain: ${declared.join(", ")}`;
    found.push({ name: "DELIVERY_TARGETS", message });
  }
  if (mode === "production" && targets.some(({ url }) => isExposed(url))) {
    const message = "must have https in production, but for a loopback address";
    found.push({ name: "DELIVERY_TARGETS", message });
  }
  const signed = new Set(secrets.map(({ name }) => name));
  const webhooks = targets.filter(({ url }) => isWebhook(url)).map(({ name }) => name);
  if (webhooks.some((name) => !signed.has(name))) {
    const message = "must have a secret for each http or https URL of DELIVERY_TARGETS";
    found.push({ name: "DELIVERY_SECRETS", message });
  }
  if ([...signed].some((name) => !webhooks.includes(name))) {
    const message = "must only name http and https targets of DELIVERY_TARGETS";
    found.push({ name: "DELIVERY_SECRETS", message });
  }
  return found;
}

/** The targets, each with its secrets in the order in which they were given. */
export const toTargets = ({
  DELIVERY_TARGETS: targets = [],
  DELIVERY_SECRETS: secrets = [],
}: Pick<ReadVariables, "DELIVERY_TARGETS" | "DELIVERY_SECRETS">): readonly TargetConfig[] =>
  targets.map(({ name, url }) => ({
    name,
    url,
    secrets: secrets.filter((pair) => pair.name === name).map(({ secret }) => secret),
  }));
