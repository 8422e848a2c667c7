import type { Config, Environment } from "./config.ts";
import { targetPairs, targetUrl } from "./config-delivery.ts";
import { environment, type VariableName, variableNotes } from "./config-schema.ts";
import { connection, keyRingIds } from "./config-values.ts";

/** One line of the table of settings. */
export type ConfigRow = {
  readonly name: VariableName;
  /** What is in force, secrets masked; empty for nothing. */
  readonly value: string;
  readonly default: string;
  readonly source: "env" | "default";
  readonly description: string;
};

const mask = "***";

/** Every variable with the value in force, in the order of the schema. `env` made `config`. */
export function describeConfig(env: Environment, config: Config): readonly ConfigRow[] {
  return variables().map(({ name, description, fallback, secret }) => {
    const text = env[name] ?? "";
    const shown = text === "" ? fallback.replaceAll("`", "") : masked(text, secret);
    return {
      name,
      value: name === "DB_POOL_SIZE" ? String(config.database.poolSize) : shown,
      default: fallback.replaceAll("`", ""),
      source: text === "" ? ("default" as const) : ("env" as const),
      description: description.replaceAll("`", ""),
    };
  });
}

/** The table for a terminal: name, value, where it comes from, description. */
export function renderConfigText(rows: readonly ConfigRow[]): string {
  const nameWidth = Math.max(...rows.map(({ name }) => name.length));
  const lines = rows.flatMap(({ name, value, source, description }) => [
    `${name.padEnd(nameWidth)}  ${value === "" ? "-" : value}${source === "env" ? "  (set)" : ""}`,
    `${"".padEnd(nameWidth)}  ${description}`,
  ]);
  return lines.join("\n");
}

/** The table of the README: variable, default, description. Ends without a line break. */
export function renderConfigMarkdown(): string {
  const rows = variables().map(({ name, fallback, description }) => {
    const plain = fallback === "" || fallback.includes("`") || fallback.includes(" ");
    return `| \`${name}\` | ${plain ? fallback : `\`${fallback}\``} | ${description} |`;
  });
  return ["| variable | default | what it sets |", "|---|---|---|", ...rows].join("\n");
}

type NamedNotes = {
  readonly name: VariableName;
  readonly description: string;
  readonly fallback: string;
  readonly secret: "all" | "password" | "ring" | "targets" | undefined;
};

const variables = (): readonly NamedNotes[] =>
  Object.entries(environment.shape).map(([name, schema]) => {
    const notes = variableNotes.get(schema);
    return {
      name: name as VariableName,
      description: notes?.description ?? "",
      fallback: notes?.fallback ?? "",
      secret: notes?.secret,
    };
  });

function masked(text: string, secret: NamedNotes["secret"]): string {
  if (secret === undefined)
    return text.includes("\n") ? `${text.slice(0, text.indexOf("\n"))} …` : text;
  if (secret === "password") return maskedUrl(connection(text));
  if (secret === "targets") {
    const pairs = targetPairs(text);
    return pairs.map(({ name, value }) => `${name}=${maskedUrl(targetUrl(value))}`).join(",");
  }
  return secret === "ring"
    ? keyRingIds(text)
        .map((id) => `${id}:${mask}`)
        .join(",")
    : mask;
}

/**
 * Server and path alone: a password may stand before the host as well as in the query, and what
 * stands there alone is a user of a database and a secret of NATS.
 */
function maskedUrl(url: URL | undefined): string {
  if (url === undefined) return mask;
  const isToken = url.password === "" && /^(?:nats|tls):$/.test(url.protocol);
  const password = url.password === "" ? "" : `:${mask}`;
  const user = url.username === "" ? "" : `${isToken ? mask : url.username}${password}@`;
  return `${url.protocol}//${user}${url.host}${url.pathname}${url.search === "" ? "" : "?…"}`;
}
