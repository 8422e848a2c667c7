import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";

import { parse } from "smol-toml";
import { z } from "zod";

import { healthPaths } from "#http/health.ts";
import { verbs } from "#ops/cli.ts";
import { environment } from "#ops/config-schema.ts";
import { type Environment, loadConfig, requireConfig } from "#ops/config.ts";

/** Those of the command line, and those that `main.ts` adds: it may not be imported. */
const ofMain = readFileSync("src/main.ts", "utf8").matchAll(/defineVerb\(\{\s*name: "(\w+)"/g);
const knownVerbs = new Set([...Object.keys(verbs), ...[...ofMain].map(([, name = ""]) => name)]);

const defaults = requireConfig({});

type Instruction = { readonly name: string; readonly rest: string };

const fly = z
  .object({
    kill_signal: z.string(),
    kill_timeout: z.number(),
    build: z.object({ dockerfile: z.string() }),
    deploy: z.object({ release_command: z.string(), strategy: z.string() }),
    env: z.record(z.string(), z.string()),
    http_service: z.object({
      internal_port: z.number(),
      auto_stop_machines: z.string(),
      min_machines_running: z.number(),
      checks: z.array(z.object({ method: z.string(), path: z.string() })).min(1),
    }),
  })
  .parse(parse(readFileSync("fly.toml", "utf8")));

const dockerfile: readonly Instruction[] = readFileSync("Dockerfile", "utf8")
  .replaceAll(/^\s*#.*\n/gm, "")
  .replaceAll(/\\\n/g, " ")
  .split("\n")
  .filter((line) => line.trim() !== "")
  .map((line) => {
    const [, name = "", rest = ""] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    return { name, rest };
  });

const instructions = (name: string): readonly string[] =>
  dockerfile.filter((instruction) => instruction.name === name).map(({ rest }) => rest);

const words = (name: string): readonly string[] =>
  z.array(z.string()).parse(JSON.parse(instructions(name).at(-1) ?? "[]"));

/** The second stage, which is the image. */
const image = dockerfile.slice(dockerfile.findLastIndex(({ name }) => name === "FROM"));

const manifest = z
  .object({ packageManager: z.string(), scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync("package.json", "utf8")));

/** Secrets that a deployment has beside what `fly.toml` sets. */
const key = new Uint8Array(32).toBase64();
const secrets: Environment = {
  DATABASE_URL: "postgres://db/varve",
  PII_MASTER_KEYS: `k1:${key}`,
  PII_INDEX_KEY: key,
  PII_LOOKUP_KEY: key,
  AUDIT_SIGNING_KEY: `MC4CAQAwBQYDK2VwBCIEI${"A".repeat(43)}`,
};

test("fly.toml sets variables that exist, to values that start in production", () => {
  const known = new Set(Object.keys(environment.shape));
  expect(Object.keys(fly.env).filter((name) => !known.has(name))).toEqual([]);
  const loaded = loadConfig({ ...secrets, ...fly.env });
  expect(loaded.ok ? [] : loaded.error).toEqual([]);
  expect(loaded.ok && loaded.value.production).toBe(true);
});

test("the port is the same in the code, the image and the platform", () => {
  const { port } = requireConfig({ ...secrets, ...fly.env });
  expect({
    port,
    internal: fly.http_service.internal_port,
    exposed: instructions("EXPOSE"),
  }).toEqual({ port: defaults.port, internal: defaults.port, exposed: [String(defaults.port)] });
});

test("the image runs the binary with a verb that exists", () => {
  expect(words("ENTRYPOINT")).toEqual(["/app/varve"]);
  expect(words("CMD")).toEqual(["serve"]);
  const named = [words("CMD")[0] ?? "", fly.deploy.release_command.split(" ")[0] ?? ""];
  expect(named.filter((verb) => !knownVerbs.has(verb))).toEqual([]);
});

test("the platform waits longer than a shutdown, which is longer than a drain", () => {
  const { shutdownTimeoutMs, drainTimeoutMs } = requireConfig({ ...secrets, ...fly.env });
  expect(fly.kill_signal).toBe("SIGTERM");
  expect(fly.kill_timeout * 1_000).toBeGreaterThan(shutdownTimeoutMs);
  expect(shutdownTimeoutMs).toBeGreaterThan(drainTimeoutMs);
});

test("the platform asks for readiness and keeps machines running", () => {
  expect(fly.http_service.checks.map(({ method, path }) => `${method} ${path}`)).toEqual([
    `GET ${healthPaths.ready}`,
  ]);
  expect(fly.http_service.auto_stop_machines).toBe("off");
  expect(fly.http_service.min_machines_running).toBeGreaterThanOrEqual(2);
});

test("a deployment opens no more connections than its instances may share", () => {
  const { instanceCount } = requireConfig({ ...secrets, ...fly.env });
  const atOnce =
    fly.http_service.min_machines_running * (fly.deploy.strategy === "rolling" ? 1 : 2);
  expect(instanceCount).toBeGreaterThanOrEqual(atOnce);
});

test("the image is built with the Bun of package.json, from pinned bases", () => {
  const [builder = "", runtime = ""] = instructions("FROM").map((from) => from.split(" ")[0] ?? "");
  expect(`bun@${/^oven\/bun:([\d.]+)-debian$/.exec(builder)?.[1]}`).toBe(manifest.packageManager);
  expect(runtime).toBe("gcr.io/distroless/cc-debian12:nonroot");
});

test("the image holds the binary alone and runs it without privileges", () => {
  const copied = image.filter(({ name }) => name === "COPY" || name === "ADD");
  expect(copied.map(({ rest }) => rest)).toEqual(["--from=build /build/dist/varve /app/varve"]);
  expect(image.filter(({ name }) => name === "USER").map(({ rest }) => rest)).toEqual(["nonroot"]);
});

test("the build copies what exists and what .dockerignore lets through", () => {
  const allowed: readonly string[] = readFileSync(".dockerignore", "utf8").match(/^!\S+$/gm) ?? [];
  const sources = instructions("COPY")
    .filter((rest) => !rest.startsWith("--from"))
    .flatMap((rest) => rest.split(" ").slice(0, -1));
  expect(sources.length).toBeGreaterThan(0);
  expect(sources.filter((source) => !existsSync(source))).toEqual([]);
  expect(sources.filter((source) => !allowed.includes(`!${source}`))).toEqual([]);
  expect(allowed.filter((line) => !sources.includes(line.slice(1)))).toEqual([]);
});

test("the build runs the script of `bun run build`", () => {
  const script = /bun (src\/\S+)$/.exec(manifest.scripts["build"] ?? "")?.[1] ?? "none";
  expect(existsSync(script)).toBe(true);
  expect(instructions("RUN").at(-1)).toStartWith(`bun ${script} `);
});

test("docs/deployment.md names variables that exist", () => {
  const named = readFileSync("docs/deployment.md", "utf8").match(/\b[A-Z]+(?:_[A-Z]+)+\b/g) ?? [];
  const known = Object.keys(environment.shape);
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((name) => !known.includes(name))).toEqual([]);
});
