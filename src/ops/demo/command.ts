import { defineCommand } from "citty";

import { isCode } from "#kernel/errors.ts";

import { openProgress } from "./progress.ts";
import { describe } from "./report.ts";
import { type Report, runDemo } from "./run.ts";
import type { Service } from "./send.ts";
import { isReachable } from "./service.ts";

/** Why the demo did not start, or could not go on, with the exit code that says so. */
type Refusal = { readonly exitCode: number; readonly message: string };

const exitCodes: Readonly<Record<Report["outcome"], number>> = {
  done: 0,
  failed: 1,
  "views-behind": 75,
  interrupted: 130,
};

/** `bun run dev` in another terminal may still be starting. */
const reachableMs = 3_000;
/** Bun opens at most 256 connections at once; more would only wait inside the client. */
const concurrencyMax = 256;

/**
 * Sends invoices, or made-up orders, to a running service. Exit codes: 0 done, 1 a command or the
 * file was refused, 2 usage, 69 no service, 75 views behind, 78 no key, 130 interrupted.
 */
export const demo = defineCommand({
  meta: { name: "demo", description: "Send invoices, or made-up orders, to a running service" },
  args: {
    file: { type: "string", valueHint: "csv|csv.gz", description: "Invoices to send" },
    limit: { type: "string", valueHint: "n", description: "Take the first n invoices only" },
    concurrency: { type: "string", default: "64", description: "Commands in flight, 1 to 256" },
    url: { type: "string", description: "The service (default VARVE_URL, else localhost)" },
    json: { type: "boolean", description: "Print one JSON object and nothing else" },
  },
  async run({ args }) {
    const result = await start(args);
    process.exitCode = "outcome" in result ? exitCodes[result.outcome] : result.exitCode;
    if (args.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    else if ("outcome" in result) process.stdout.write(`${describe(result).join("\n")}\n`);
    else process.stderr.write(`${result.message}\n`);
  },
});

type Args = {
  readonly file?: string | undefined;
  readonly limit?: string | undefined;
  readonly concurrency: string;
  readonly url?: string | undefined;
  readonly json?: boolean | undefined;
};

async function start(args: Args): Promise<Report | Refusal> {
  const limit = args.limit === undefined ? undefined : wholeNumber(args.limit, 1_000_000);
  const concurrency = wholeNumber(args.concurrency, concurrencyMax);
  if (Number.isNaN(limit)) return { exitCode: 2, message: "--limit is a number from 1" };
  if (Number.isNaN(concurrency)) return { exitCode: 2, message: "--concurrency is 1 to 256" };
  const service = await findService(args.url);
  if ("exitCode" in service) return service;
  // A terminal that does not say its width would get a bar of one character a line.
  const drawable = process.stdout.isTTY && process.stdout.columns > 0;
  const progress = openProgress(args.json ? "json" : drawable ? "terminal" : "lines");
  const signal = interruptSignal();
  try {
    return await runDemo({ service, file: args.file, limit, concurrency, progress, signal });
  } catch (error) {
    if (isCode(error, "invalid-data")) return { exitCode: 1, message: error.message };
    throw error;
  }
}

function wholeNumber(text: string, max: number): number {
  const value = /^\d{1,7}$/.test(text) ? Number(text) : Number.NaN;
  return value >= 1 && value <= max ? value : Number.NaN;
}

async function findService(urlArgument: string | undefined): Promise<Service | Refusal> {
  const fallback = `http://localhost:${setting("PORT") ?? "3000"}`;
  const text = urlArgument ?? setting("VARVE_URL") ?? fallback;
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? "")) {
    return { exitCode: 2, message: "the address of the service begins with http:// or https://" };
  }
  const url = text.replace(/\/+$/, "");
  const key = setting("VARVE_KEY") ?? (await readDevelopmentKey());
  if (key === undefined) {
    const message = "No key: set VARVE_KEY, or run where `bun run dev` left .varve/dev-key.";
    return { exitCode: 78, message };
  }
  if (await isReachable(url, reachableMs)) return { url, key };
  return { exitCode: 69, message: `No service answers at ${url}. \`bun run dev\` starts one.` };
}

/** A variable that is set to nothing counts as not set. */
function setting(name: string): string | undefined {
  const value = process.env[name];
  return value === "" ? undefined : value;
}

async function readDevelopmentKey(): Promise<string | undefined> {
  const file = Bun.file(".varve/dev-key");
  return (await file.exists()) ? (await file.text()).trim() : undefined;
}

/**
 * Fires at the first Ctrl-C; the second one ends the process without waiting for answers. SIGTERM
 * is taken alike, because the bar listens to it, and a signal that is listened to ends nothing.
 */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  return controller.signal;
}
