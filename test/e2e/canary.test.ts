import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "bun:test";

import { type EmbeddedPostgres, startEmbeddedPostgres } from "#ops/embedded-postgres.ts";
import { migrate } from "#store/migrate.ts";
import { command, createOrder, orderBody, shownOrder, type Target } from "#test/support/caller.ts";
import { caughtUp, withSql } from "#test/support/invariants.ts";
import { createKey, endServices, type Service, startService } from "#test/support/service.ts";

let directory = "";
let server: EmbeddedPostgres;
let service: Service;
let target: Target;

/** A server of its own, since its log is looked through; it writes every statement with values. */
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "varve-canary-"));
  server = await startEmbeddedPostgres({
    directory: join(directory, "postgres"),
    database: "varve",
  });
  await migrate({ url: server.url });
  await withSql(server.url, async (sql) => {
    await sql`alter database varve set log_statement = 'all'`;
    await sql`alter database varve set log_error_verbosity = 'verbose'`;
    await sql`alter database varve set log_min_error_statement = 'error'`;
  });
  const options = {
    databaseUrl: server.url,
    environment: { LOG_LEVEL: "debug", SNAPSHOT_THRESHOLD: "1" },
  };
  const key = await createKey(options);
  service = await startService(options);
  target = { url: service.url, key };
});
afterAll(async () => {
  await endServices();
  await server.stop();
  rmSync(realpathSync(join(directory, "postgres")), { recursive: true, force: true });
  rmSync(directory, { recursive: true });
});

/** A word that is nowhere else. */
const canary = (): string => `zq${randomBytes(6).toString("hex")}`;

/** The characters of base64 that the word alone decides, where it begins at this byte of three. */
function base64At(word: string, offset: number): string {
  const bytes = Buffer.from(`${"\0".repeat(offset)}${word}`);
  const [from, to] = [Math.ceil((offset * 8) / 6), Math.floor((bytes.length * 8) / 6)];
  return bytes.toString("base64").slice(from, to);
}

/** The word as it stands in texts of any encoding; plain and hex in small letters. */
function formsOf(word: string): readonly string[] {
  const hex = Buffer.from(word).toString("hex");
  const inBase64 = [0, 1, 2].map((offset) => base64At(word, offset));
  return [
    word,
    hex,
    hex.replaceAll(/../g, "%$&"),
    ...inBase64,
    ...inBase64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_")),
  ];
}

/** The words that a text holds in any form. */
const foundIn = (text: string, words: readonly string[]): readonly string[] => {
  const small = text.toLowerCase();
  return words.filter((word) =>
    formsOf(word).some((form) => text.includes(form) || small.includes(form)),
  );
};

/** Every row of every table as text. */
const dump = (): Promise<string> =>
  withSql(server.url, async (sql) => {
    const tables = await sql<{ name: string }[]>`
      select format('%I.%I', schemaname, tablename) as name from pg_tables
       where schemaname in ('varve', 'varve_views')`;
    const texts: string[] = [];
    for (const { name } of tables) {
      const rows = await sql.unsafe<{ row: string }[]>(`select t::text as row from ${name} t`);
      texts.push(...rows.map(({ row }) => `${name} ${row}`));
    }
    return texts.join("\n");
  });

/** Bodies that are refused, each with the word in a personal field. */
function refusedBodies(word: string): readonly unknown[] {
  const good = orderBody("c-refused", "x");
  const withContact = (contact: unknown): unknown => ({ ...good, contact });
  const { contact, shippingAddress } = good;
  return [
    withContact({ ...contact, email: `${word} is no address` }),
    withContact({ ...contact, name: word.repeat(40) }),
    withContact({ ...contact, name: `${word}\0` }),
    withContact({ ...contact, name: `${word}\uD800` }),
    withContact({ ...contact, [word]: word }),
    withContact({ ...contact, phone: [word] }),
    withContact(word),
    withContact([{ ...contact, name: word }]),
    { ...good, shippingAddress: { ...shippingAddress, country: word } },
    { ...good, shippingAddress: { ...shippingAddress, postcode: `${word}${word}` } },
    { ...good, contact: { ...contact, name: word }, currency: "pounds" },
    { ...good, contact: { ...contact, name: word }, lines: [] },
  ];
}

type Refusal = { readonly status: number; readonly text: string };

const refusal = async (answer: Promise<Response>): Promise<Refusal> => {
  const { status, text } = await answer.then(async (one) => ({
    status: one.status,
    text: await one.text(),
  }));
  return { status, text };
};

const raw = (path: string, body: string, headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${target.url}/commands/orders/${path}`, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${target.key}`,
      "Content-Type": "application/json",
      ...headers,
    },
    body,
  });

/** Everything that can go wrong with the word in it. Gives the answers, all of them refusals. */
async function provoke(word: string): Promise<readonly Refusal[]> {
  const refusals: Refusal[] = [];
  const body = orderBody("c-refused", word);
  const text = JSON.stringify(body);
  for (const one of refusedBodies(word)) {
    refusals.push(await refusal(command(target, "refused/create", one)));
  }
  const changed = { contact: { name: word, email: `${word}@example.org` } };
  for (const answer of [
    raw("refused/create", text.slice(0, -9)),
    raw("refused/create", `${word}${text}`),
    raw("refused/create", JSON.stringify({ ...body, [word]: word.repeat(60_000) })),
    raw("refused/create", text, { "Content-Type": `text/${word}` }),
    raw("refused/create", text, { Authorization: `Bearer ${word}` }),
    raw(`refused/${word}`, text),
    command(target, "none/change-contact", changed),
    command(target, "taken/create", body),
    command(target, "taken/change-contact", changed, { "If-Match": '"7"' }),
    command(target, "closed/change-contact", changed),
  ]) {
    refusals.push(await refusal(answer));
  }
  return refusals;
}

test("personal data stands nowhere but in the answers to those who may read it", async () => {
  // What is accepted, refused, and caught by an outage, and the control, which is not personal.
  const [stored, changed, refused, lost, control] = [
    canary(),
    canary(),
    canary(),
    canary(),
    canary(),
  ];
  await createOrder(target, "taken", stored);
  await command(target, "taken/change-contact", {
    contact: { name: `Name ${changed}`, email: `${changed}@example.org`, phone: changed },
  });
  await command(
    target,
    "taken/ship",
    { carrier: control, trackingNumber: "1" },
    {
      "X-Request-Id": control,
      "Idempotency-Key": control,
    },
  );
  await command(target, "keyed/create", orderBody("c-keyed", stored), { "Idempotency-Key": "k" });
  await createOrder(target, "closed", stored);
  await command(target, "closed/cancel", { reason: "no longer wanted" });
  const refusals = await provoke(refused);
  expect(refusals.filter(({ status }) => status < 400 || status > 499)).toEqual([]);
  expect(await shownOrder(target, "taken", 3)).toMatchObject({
    contact: { name: `Name ${changed}` },
    shippingAddress: { city: `City ${stored}` },
  });
  await caughtUp(server.url);
  const tables = await dump();
  const serverLog = readFileSync(
    join(realpathSync(join(directory, "postgres")), "server.log"),
    "utf8",
  );

  await server.stop();
  const outage = await refusal(command(target, "lost/create", orderBody("c-lost", lost)));
  expect(outage.status).toBe(503);
  await service.stop();

  const words = [stored, changed, refused, lost];
  const places = { tables, serverLog, output: service.output() };
  for (const [place, text] of Object.entries(places)) {
    expect({ place, found: foundIn(text, words) }).toEqual({ place, found: [] });
    // The search does find what is there.
    expect({ place, found: foundIn(text, [control]) }).toEqual({ place, found: [control] });
  }
  const repeated = [...refusals, outage].filter(({ text }) => foundIn(text, words).length > 0);
  expect(repeated).toEqual([]);
}, 40_000);

test("search finds a word in every form", () => {
  const word = canary();
  const inside = `{"name":"Ada ${word} Lovelace"}`;
  const forms = [
    inside,
    inside.toUpperCase(),
    ...[0, 1, 2].map((shift) => Buffer.from(" ".repeat(shift) + inside).toString("base64")),
    Buffer.from(inside).toString("base64url"),
    Buffer.from(inside).toString("hex"),
    encodeURIComponent(inside),
    Buffer.from(inside).toString("hex").replaceAll(/../g, "%$&").toUpperCase(),
  ];
  expect(forms.map((text) => foundIn(text, [word]))).toEqual(forms.map(() => [word]));
});
