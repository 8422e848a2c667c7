import { posix } from "node:path";

import { importsOf } from "./source.ts";
import type { Source, Violation } from "./source.ts";

type Room = {
  /** The other rooms that it may import. */
  readonly rooms: readonly string[];
  /** The packages that it may import; a name that ends with `/` is a scope. */
  readonly packages: readonly string[] | "any";
  /** Whether it may import what only Bun or Node has: `bun`, `bun:…` and `node:…`. */
  readonly builtins: boolean;
};

const web = { builtins: false } as const;
const bun = { builtins: true } as const;

/** Who may import what: the table of rooms. */
export const rooms: Readonly<Record<string, Room>> = {
  kernel: { rooms: [], packages: ["zod"], ...web },
  domain: { rooms: ["kernel"], packages: ["zod"], ...web },
  pii: { rooms: ["kernel"], packages: [], ...web },
  store: { rooms: ["kernel", "sql"], packages: ["postgres"], ...bun },
  command: { rooms: ["domain", "pii", "store", "kernel"], packages: [], ...web },
  subscription: {
    rooms: ["domain", "pii", "store", "kernel"],
    packages: ["@nats-io/", "standardwebhooks"],
    ...bun,
  },
  query: { rooms: ["domain", "pii", "store", "kernel"], packages: [], ...web },
  http: {
    rooms: ["command", "query", "domain", "kernel"],
    packages: ["hono", "@hono/", "zod"],
    ...web,
  },
  telemetry: {
    rooms: ["kernel"],
    packages: ["pino", "pino-pretty", "@opentelemetry/", "@hono/otel"],
    ...web,
  },
  ops: {
    rooms: ["kernel", "domain", "pii", "store", "command", "subscription", "query", "telemetry"],
    packages: "any",
    ...bun,
  },
};

/** The composition root: it sees all rooms, and nobody sees it. */
const main: Room = { rooms: Object.keys(rooms), packages: "any", ...bun };

const loose = new Set(["src/main.ts", "src/sql.d.ts"]);

/** Who may load by a name that only a run would tell: modules that other imports lead to already. */
const loadsByPath = new Set(["src/ops/fingerprints/bundle.ts"]);

const packageOf = (target: string): string =>
  target
    .split("/")
    .slice(0, target.startsWith("@") ? 2 : 1)
    .join("/");

const allows = (packages: Room["packages"], name: string): boolean =>
  packages === "any" ||
  packages.some((one) => (one.endsWith("/") ? name.startsWith(one) : name === one));

/** Why the file at `path` in the room may not import the target; null if it may. */
function refusal(path: string, name: string, room: Room, target: string): string | null {
  if (target.split("/").includes("..")) return `"${target}" goes up: write #room/file.ts`;
  if (target.startsWith("/") || /^[a-z+]+:\/\//i.test(target)) return `"${target}" is no module`;
  const file = target.startsWith("#") ? `src/${target.slice(1)}` : posix.join(path, "..", target);
  if (target.startsWith("./") || target.startsWith("#")) {
    if (file === "src/main.ts" || file === "src/main") return "main.ts is imported by nobody";
  }
  if (target.startsWith("./")) return null;
  if (target.startsWith("#")) {
    const other = target.slice(1).split("/")[0] ?? "";
    const near = file.startsWith(`${posix.dirname(path)}/`);
    if (other === name) return near ? `"${target}" is in this folder: write ./` : null;
    return room.rooms.includes(other) ? null : `${name} may not import the room ${other}`;
  }
  if (/^(node:|bun:|bun$)/.test(target)) {
    return room.builtins ? null : `${name} uses web standards only, not ${target}`;
  }
  const wanted = packageOf(target);
  return allows(room.packages, wanted) ? null : `${name} may not import the package ${wanted}`;
}

/** The table of rooms, for every kind of import in `src/`. */
export function checkRooms(sources: readonly Source[]): readonly Violation[] {
  return sources.flatMap((source) => {
    const [, folder = ""] = source.path.split("/");
    const room = loose.has(source.path) ? main : rooms[folder];
    if (room === undefined) {
      return [{ path: source.path, line: 1, message: "belongs to no room" }];
    }
    return importsOf(source).flatMap(({ target, line }) => {
      if (target === null && loadsByPath.has(source.path)) return [];
      const message =
        target === null
          ? "import() of a computed name cannot be checked"
          : refusal(source.path, folder, room, target);
      return message === null ? [] : [{ path: source.path, line, message }];
    });
  });
}
