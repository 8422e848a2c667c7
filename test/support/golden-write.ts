/**
 * `bun run golden <event type> < payload.json`: keeps today's version of an event for ever.
 *
 * It writes `test/contract/golden/<Type>.v<version>.json` from a stored payload on stdin, and never
 * over a file that is there. Exit codes as everywhere: 1 for a payload that does not fit or a file that
 * exists, 2 for a type that nobody declares. What is wrong is said: the types that there are, the
 * fields that do not fit. The file is as `bun fmt` writes it, for `bun run check` looks at it too.
 */
import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { z } from "zod";

import { aggregates } from "#domain/registry.ts";
import { eventTypesOf } from "#domain/upcast.ts";

import { goldenFolder, goldenName, schemaOf, type Golden } from "./golden.ts";

function end(message: string, code: number): never {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}

/** The payload on stdin, as JSON. */
async function readPayload(): Promise<unknown> {
  try {
    return await Bun.stdin.json();
  } catch {
    return end("there is no JSON on stdin: bun run golden <event type> < payload.json", 1);
  }
}

const [type] = process.argv.slice(2);
if (type === undefined) end("usage: bun run golden <event type> < payload.json", 2);
const eventTypes = eventTypesOf(aggregates);
const declared = eventTypes.get(type);
if (declared === undefined) {
  const names = [...eventTypes.keys()].toSorted().join(", ");
  end(`no aggregate declares ${type}; there are ${names}`, 2);
}
const { aggregateType, definition } = declared;

const parsed = definition.payload.safeParse(await readPayload());
if (!parsed.success) {
  const faults = z.prettifyError(parsed.error);
  end(`this is no payload of ${type} version ${definition.version}:\n${faults}`, 1);
}
const metadata = { requestId: "0195549e-0000-7000-8000-00000000aaaa", actor: "key:golden" };
const golden: Golden = {
  stored: {
    aggregateType,
    type,
    schemaVersion: definition.version,
    payload: parsed.data,
    metadata,
  },
  schema: schemaOf(definition),
  today: parsed.data,
};
const path = join(goldenFolder, goldenName(golden.stored));
if (existsSync(path)) end(`${path} is there and stays as it is`, 1);
writeFileSync(path, `${JSON.stringify(golden, null, 2)}\n`, { flag: "wx" });
execFileSync(process.execPath, ["fmt", "--no-script", path], { stdio: "pipe" });
process.stdout.write(`${path}\n`);
