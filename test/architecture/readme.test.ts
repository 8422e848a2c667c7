import { readFileSync } from "node:fs";

import { describe, expect, test } from "bun:test";

import { orders } from "#domain/orders/order.ts";
import { createApp } from "#http/app.ts";
import { bareDependencies } from "#test/support/bare-app.ts";

import {
  checkAddresses,
  checkBun,
  checkCommands,
  checkConfiguration,
  checkPaths,
  checkTerms,
  tableBelow,
} from "./readme.ts";
import { readSources } from "./source.ts";

const tree = process.cwd();
const readme = readFileSync("README.md", "utf8");
const pages = readSources(tree, "docs", ".md").map(({ text }) => text);
const code = [...readSources(tree, "src", ".ts"), ...readSources(tree, "sql", ".sql")]
  .map(({ text }) => text)
  .join("\n");

/** The README with one thing in it replaced; it must have been there. */
function planted(before: string, after: string): string {
  expect(readme).toContain(before);
  return readme.replace(before, after);
}

describe("the README", () => {
  test("names files that exist, as the pages of docs do", () => {
    expect([readme, ...pages].flatMap((text) => checkPaths(text, tree))).toEqual([]);
    const moved = planted("src/http/commands.ts", "src/http/command.ts");
    expect(checkPaths(moved, tree)).toEqual(["there is no src/http/command.ts"]);
    const room = planted("└ query/ ", "└ queries/ ");
    expect(checkPaths(room, tree)).toEqual(["there is no src/queries"]);
    const page = planted("(docs/deployment.md)", "(docs/deploying.md)");
    expect(checkPaths(page, tree)).toEqual(["there is no docs/deploying.md"]);
  });

  test("sends its reader to no other machine", () => {
    expect([readme, ...pages].flatMap(checkAddresses)).toEqual([]);
    const away = planted("http://localhost:3000/", "http://example.org/");
    expect(checkAddresses(away)).toEqual(
      ["http://example.org/commands/orders/o-1001/create"].map(
        (address) => `${address} is elsewhere`,
      ),
    );
  });

  test("asks for the Bun that the tree is built with, as .ci/run does", () => {
    expect([readme, readFileSync(".ci/run", "utf8")].map((text) => checkBun(text, tree))).toEqual([
      [],
      [],
    ]);
    expect(checkBun(planted("bun@1.4.5", "bun@1.4.4"), tree)).toEqual([
      "bun@1.4.4 is not the Bun of package.json",
    ]);
  });

  test("names commands that exist, with flags that they have", async () => {
    expect(await checkCommands(readme, tree)).toEqual([]);
    const script = planted("bun run build", "bun run compile");
    expect(await checkCommands(script, tree)).toEqual(["there is no bun run compile"]);
    const verb = planted("`migrate status`", "`migrate state`");
    expect(await checkCommands(verb, tree)).toEqual([
      expect.stringMatching(/^varve migrate state: /),
    ]);
    const flag = planted("keys create --name shop", "keys create --title shop");
    expect(await checkCommands(flag, tree)).toEqual([
      expect.stringMatching(/^varve keys create --title shop .*'--title'/),
    ]);
  });

  test("has the table of settings that the schema writes", () => {
    expect(checkConfiguration(readme)).toEqual([]);
    const row = readme.split("\n").find((line) => line.startsWith("| `HOST`")) ?? "";
    expect(checkConfiguration(planted(`${row}\n`, ""))).toHaveLength(2);
    expect(checkConfiguration(planted("`30000`  ", "`31000`  "))).toHaveLength(3);
  });

  test("explains words that the code uses, and each of those that it must", () => {
    const terms = tableBelow(readme, "Terminology").flatMap(([words = ""]) => words.split(", "));
    expect(terms).toEqual(
      expect.arrayContaining(
        "aggregate stream event version position checkpoint subscription view snapshot lease epoch subject fence shred"
          .split(" ")
          .concat("data key"),
      ),
    );
    expect(checkTerms(readme, code)).toEqual([]);
    const other = planted("| checkpoint ", "| bookmark   ");
    expect(checkTerms(other, code)).toEqual(["nothing is called bookmark"]);
  });
});

/** `GET /queries/orders/:id`, with what its caller must hold. */
async function routesOfApp(): Promise<ReadonlyMap<string, string>> {
  const app = createApp(bareDependencies({ aggregates: [orders] }));
  const found = new Map<string, string>();
  for (const { method, path } of app.routes) {
    const answersAll = method === "ALL" || path.endsWith("/:command");
    if (answersAll) continue;
    const answer = await app.request(path.replace(/:\w+/g, "x"), {
      method,
      headers: { Authorization: "Bearer x" },
    });
    const { requiredScope } = (await answer.json()) as { requiredScope?: string };
    found.set(`${method} ${path}`, requiredScope ?? "none");
  }
  return found;
}

/** The same as the table says; a route of commands stands for the others that its row names. */
function routesOfTable(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [route = "", what = "", scope = ""] of tableBelow(text, "The API")) {
    const codes = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code);
    const [method = ""] = codes(route)[0]?.split(" ") ?? [];
    const paths = codes(route).map((each) =>
      each
        .replace(`${method} `, "")
        .replace(/\?.*/, "")
        .replaceAll(/\{\w+\}/g, ":id"),
    );
    const others = method === "POST" ? codes(what).filter((each) => /^[a-z-]+$/.test(each)) : [];
    const first = paths[0]?.replace(/[^/]+$/, "");
    for (const path of [...paths, ...others.map((other) => `${first}${other}`)]) {
      found.set(`${method} ${path}`, scope.replaceAll("`", ""));
    }
  }
  return found;
}

const pageParameters = new Set(["limit", "cursor"]);

/** The lists of the table, each with its name first and then its filters. */
const filtersOfTable = (text: string): readonly (readonly string[])[] =>
  [...text.matchAll(/`GET \/queries\/(\w+)\?([^`]+)`/g)].map(([, view = "", query = ""]) => [
    view,
    ...query.split(/=&?/).filter((name) => name !== "" && !pageParameters.has(name)),
  ]);

describe("the README's table of the API", () => {
  test("has every route of the service with its scope, and no other", async () => {
    const sorted = (routes: ReadonlyMap<string, string>) =>
      [...routes].map(([route, scope]) => `${route} ${scope}`).toSorted();
    const wanted = sorted(await routesOfApp());
    expect(wanted.length).toBeGreaterThan(10);
    expect(sorted(routesOfTable(readme))).toEqual(wanted);
    for (const wrong of [
      planted("/orders/{id}/create`", "/orders/{id}/make`"),
      planted("`deliver`, ", ""),
      planted("| `queries:sales` ", "| `queries:sale`  "),
      planted("`/health/live`", "`/health/alive`"),
    ]) {
      expect(sorted(routesOfTable(wrong))).not.toEqual(wanted);
    }
  });

  test("has every filter of every list", () => {
    const wanted = orders.views.flatMap(({ name, list }) =>
      list === undefined ? [] : [[name, ...Object.keys(list.filters)]],
    );
    expect(filtersOfTable(readme)).toEqual(wanted);
    expect(filtersOfTable(planted("?status=&", "?"))).not.toEqual(wanted);
    expect(filtersOfTable(planted("&currency=", "&money="))).not.toEqual(wanted);
  });
});
