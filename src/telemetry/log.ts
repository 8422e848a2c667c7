import pino from "pino";

import type { LogFields, Logger } from "#kernel/log.ts";

import { safeFields } from "./safe-fields.ts";
import { activeTrace } from "./trace.ts";

/**
 * The log of a process: one JSON object a line on stdout, readable text on a terminal.
 *
 * What it is. pino, behind the four methods that rooms know (`#kernel/log.ts`). Every line has
 * `level` (a word), `time` (ISO 8601 UTC), `service`, `version`, `message`, the fields given, and
 * `traceId` and `spanId` inside a span. Errors go into the field `error`.
 *
 * What it promises. Nothing personal and no secret is written: every field passes `safe-fields.ts`,
 * which knows forbidden names at any depth, reduces errors to what our own code said, and bounds the
 * size of a line. A line is written when the method returns, so that a crash loses none.
 *
 * What it relies on. Messages are constant text; a value belongs in a field, under its own name.
 *
 * How it fails. When nobody reads stdout any more (EPIPE), lines are dropped and the process goes
 * on. A full pipe makes the writer wait: a log line is never lost to a slow reader.
 *
 * What it does not do. No files, no rotation, no worker thread: pino's transports need one, and it
 * cannot be loaded from the compiled binary. A worker of ours opens a log of its own; lines of up to
 * 4 KiB of both come out whole.
 */
export type ProcessLogger = Logger & {
  /** A logger that adds these fields to each of its lines. */
  readonly child: (fields: LogFields) => ProcessLogger;
};

export type LogOptions = {
  readonly level: "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";
  readonly service: string;
  readonly version: string;
  /** Readable text with colours instead of JSON. Default: whether stdout is a terminal. */
  readonly pretty?: boolean;
  /** A file descriptor. Default: stdout. */
  readonly fd?: number;
};

const stdout = 1;

/** Opens the log. Never throws, and neither does a logger's method. */
export async function openLog(options: LogOptions): Promise<ProcessLogger> {
  const pretty = options.pretty ?? process.stdout.isTTY;
  const lines = openLines(options.fd ?? stdout);
  const destination = pretty ? await prettified(lines) : lines;
  return wrap(
    pino(
      {
        level: options.level,
        base: { service: options.service, version: options.version },
        messageKey: "message",
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (level) => ({ level }) },
        mixin: activeTrace,
      },
      destination,
    ),
  );
}

type Lines = { readonly write: (line: string) => void };

/** Synchronous: an asynchronous buffer loses its last lines, the ones that explain a crash. */
function openLines(fd: number): Lines {
  const destination = pino.destination({ fd, sync: true });
  let open = true;
  // Without a listener the event is an uncaught exception. Whatever broke, there is no place left
  // to report it to.
  destination.on("error", () => {
    open = false;
  });
  return { write: (line) => void (open && destination.write(line)) };
}

/** Loaded only for a terminal: it costs a start some 20 ms. */
async function prettified(lines: Lines): Promise<Lines> {
  const { prettyFactory } = await import("pino-pretty");
  const prettify = prettyFactory({
    colorize: true,
    messageKey: "message",
    translateTime: "HH:MM:ss.l",
    ignore: "service,version",
    singleLine: true,
    errorLikeObjectKeys: [],
  });
  return { write: (line) => lines.write(prettify(line)) };
}

type Level = keyof Logger;

function wrap(log: pino.Logger): ProcessLogger {
  const at = (level: Level) => (fields: LogFields, message: string) => {
    if (log.isLevelEnabled(level)) log[level](safeFields(fields), message);
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => wrap(log.child(safeFields(fields))),
  };
}
