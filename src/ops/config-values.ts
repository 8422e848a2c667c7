import { X509Certificate } from "node:crypto";

import { z } from "zod";

import { sslModeOf } from "#store/dial.ts";

/**
 * The kinds of value that a setting can have. Each refuses with one sentence that says what is
 * wanted and never repeats what was given, since a secret may stand in the wrong variable.
 */

const digits = /^(0|[1-9]\d{0,14})$/;
const decimal = /^(0|1|0\.\d{1,9}|1\.0{1,9})$/;
const keyId = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;
const keyBytes = 32;

/** RFC 8410: the fixed head of an Ed25519 key in PKCS#8; the 32 bytes of the key follow. */
const ed25519Head = "302e020100300506032b657004220420";

/** A whole number in decimal digits, both bounds included; no sign, space, exponent or hex. */
export const whole = (min: number, max: number) =>
  z
    .string()
    .refine(
      (text) => digits.test(text) && Number(text) >= min && Number(text) <= max,
      `must be a whole number from ${min} to ${max}`,
    )
    .transform(Number);

/** A decimal from 0 to 1; `above` excludes the lower bound. */
export const fraction = (above: boolean) =>
  z
    .string()
    .refine(
      (text) => decimal.test(text) && (!above || Number(text) > 0),
      above ? "must be a decimal above 0 and at most 1" : "must be a decimal from 0 to 1",
    )
    .transform(Number);

/** One of a few words, in lower case. */
export const choice = <const Words extends readonly [string, ...string[]]>(...words: Words) =>
  z.enum(words, `must be one of ${words.join(", ")}`);

/** `true` or `false`. */
export const flag = () => choice("true", "false").transform((text) => text === "true");

/** Text of 1 to 255 printable characters without spaces. */
export const word = () =>
  z.string().regex(/^[!-~]{1,255}$/, "must be 1 to 255 printable characters without spaces");

/** An absolute path. */
export const directory = () =>
  z.string().regex(/^\/[^\0\r\n]{0,1023}$/, "must be an absolute path");

/** An http or https URL. */
export const webUrl = () =>
  z.string().refine((text) => ["http:", "https:"].includes(parsed(text)?.protocol ?? ""), {
    error: "must be an http or https URL",
  });

/**
 * The modes of libpq but `allow` and `prefer`: they encrypt unless somebody in between objects, so
 * that they promise nothing and look as if they did.
 */
const urlSslModes = ["disable", "require", "verify-ca", "verify-full"];

/** Other parameters about TLS would go to the server, which does not know them, or be ignored. */
const isTlsParameter = (name: string): boolean => /^ssl|^channel_binding$|^gss/i.test(name);

const hasOneSslMode = (text: string): boolean => {
  const names = [...(connection(text)?.searchParams.keys() ?? [])].filter(isTlsParameter);
  return names.length === 0 || (names.length === 1 && names[0] === "sslmode");
};

/** A Postgres URL; several hosts may stand in it, separated by commas. */
export const databaseUrl = () =>
  z
    .string()
    .refine((text) => connection(text) !== undefined, {
      error: "must be a URL like postgres://user:password@host:5432/database",
      abort: true,
    })
    .refine(hasOneSslMode, {
      error: "must say of TLS no more than one sslmode; DB_SSL and DB_SSL_CA say the rest",
    })
    .refine((text) => urlSslModes.includes(sslModeOf(text) ?? "disable"), {
      error: `must have no sslmode but ${urlSslModes.join(", ")}`,
    });

const certificateForm = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const isCertificate = (text: string): boolean => {
  try {
    return new X509Certificate(text).raw.length > 0;
  } catch {
    return false;
  }
};

/**
 * Certificates as PEM text; `\n` written as two characters counts as a line break. Each is read
 * here, since one that cannot be would end the process at the first connection.
 */
export const certificates = () =>
  z
    .string()
    .transform((text) => text.replaceAll("\\n", "\n"))
    .refine(
      (text) => {
        const found = text.match(certificateForm) ?? [];
        return found.length > 0 && found.every(isCertificate);
      },
      { error: "must be certificates in PEM" },
    );

/** 32 bytes in base64. */
export const symmetricKey = () =>
  z.string().refine((text) => fromBase64(text)?.length === keyBytes, "must be 32 bytes in base64");

/** An Ed25519 private key, PKCS#8 in base64. */
export const signingKey = () =>
  z
    .string()
    .refine((text) => isEd25519(fromBase64(text)), "must be an Ed25519 key, PKCS#8 in base64");

/** `id:base64` pairs separated by commas, each id once; an id may hold colons. */
export const keyRing = () =>
  z
    .string()
    .refine((text) => keyPairs(text).every(isKeyPair), {
      error: "must be id:base64 pairs separated by commas, each of 32 bytes",
      abort: true,
    })
    .refine((text) => new Set(keyRingIds(text)).size === keyPairs(text).length, {
      error: "must name each key id once",
    });

/** The ids of a key ring in its order; they are not secret. */
export const keyRingIds = (text: string): readonly string[] => keyPairs(text).map(([id]) => id);

/** The URL, without the second and later of several hosts, which URL does not know. */
export function connection(text: string): URL | undefined {
  const single = text.replace(/^([a-z]+:\/\/(?:[^@/?]*@)?[^,/?]*),[^/?]*/, "$1");
  const url = parsed(single);
  return url !== undefined && /^postgres(ql)?:$/.test(url.protocol) ? url : undefined;
}

function keyPairs(text: string): readonly (readonly [id: string, key: string])[] {
  return text.split(",").map((pair) => {
    const colon = pair.lastIndexOf(":");
    return [pair.slice(0, Math.max(colon, 0)), pair.slice(colon + 1)] as const;
  });
}

const isKeyPair = ([id, key]: readonly [string, string]): boolean =>
  keyId.test(id) && fromBase64(key)?.length === keyBytes;

function isEd25519(bytes: Uint8Array | undefined): boolean {
  const head = bytes?.subarray(0, ed25519Head.length / 2).toHex();
  return head === ed25519Head && bytes?.length === ed25519Head.length / 2 + keyBytes;
}

const parsed = (text: string): URL | undefined => URL.parse(text) ?? undefined;

/** The bytes, or undefined for anything but whole, padded base64. */
function fromBase64(text: string): Uint8Array | undefined {
  const whole = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text);
  return whole && text !== "" ? Uint8Array.fromBase64(text) : undefined;
}
