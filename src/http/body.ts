import { zValidator } from "@hono/zod-validator";
import { bodyLimit } from "hono/body-limit";

import type { z } from "zod";

import { limits } from "#kernel/limits.ts";

import type { EdgeContext, Step } from "./edge.ts";
import { pointerTo, schemaFaults, validationFailed } from "./faults.ts";
import { textFaults } from "./json-text.ts";
import { problem, type ProblemCode } from "./problem.ts";

/** What a route takes as its body. */
export type BodyDefinition = {
  readonly body: z.ZodType;
  readonly bodyBytesMax?: number;
  /** None at all is as good as `{}`, whatever kind it is said to be. */
  readonly mayBeEmpty?: boolean;
};

const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/** JSON is UTF-8 (RFC 8259, section 8.1); a charset that says so is harmless, others are wrong. */
function isJson(contentType: string): boolean {
  const [mediaType = "", ...parameters] = contentType.toLowerCase().split(";");
  if (mediaType.trim() !== "application/json") return false;
  return parameters.every((parameter) => {
    const [name = "", value = ""] = parameter.split("=", 2);
    return name.trim() !== "charset" || /^\s*"?utf-?8"?\s*$/.test(value);
  });
}

const isIdentity = (coding: string | undefined): boolean =>
  coding === undefined || coding.trim().toLowerCase() === "identity";

/** The bytes of the body, or the refusal of one that is too long or was cut off by its sender. */
async function bodyBytes(context: EdgeContext, bytesMax: number): Promise<Uint8Array | Response> {
  const tooLarge = (): Response =>
    problem(context, "body-too-large", {
      detail: `The body may have ${bytesMax} bytes.`,
      fields: { bytesMax },
    });
  const limited = bodyLimit({ maxSize: bytesMax, onError: tooLarge });
  try {
    const refusal = await limited(context, () => Promise.resolve());
    if (refusal instanceof Response) return refusal;
    const bytes = new Uint8Array(await context.req.arrayBuffer());
    // A length that the sender declared is only as true as the server in front of us makes it.
    return bytes.byteLength > bytesMax ? tooLarge() : bytes;
  } catch {
    // Nothing but the sender's stream is read here, so that only its breaking can throw.
    return problem(context, "body-incomplete");
  }
}

type Parsed = { readonly text: string; readonly value: unknown };

function parse(bytes: Uint8Array): Parsed | ProblemCode {
  try {
    const text = strictUtf8.decode(bytes);
    return { text, value: JSON.parse(text) };
  } catch {
    return "malformed-json";
  }
}

/** Reads the body as JSON: 415, 413, 400, then 422 for what no schema has to care about. */
const readJson =
  ({ body, bodyBytesMax = limits.bodyBytes, mayBeEmpty = false }: BodyDefinition): Step =>
  async (context, next) => {
    const given = (value: unknown): void => {
      // The validator asks for `json()`; this way it gets what was parsed already.
      context.req.json = <Value>() => Promise.resolve(value as Value);
    };
    const isOurs =
      isJson(context.req.header("Content-Type") ?? "") &&
      isIdentity(context.req.header("Content-Encoding"));
    const refusal = (): Response => {
      const headers = { "Accept-Post": "application/json" };
      return problem(context, "unsupported-media-type", { headers });
    };
    if (!isOurs && !mayBeEmpty) return refusal();
    const bytes = await bodyBytes(context, bodyBytesMax);
    if (bytes instanceof Response) return bytes;
    if (mayBeEmpty && bytes.byteLength === 0) {
      given({});
      return next();
    }
    if (!isOurs) return refusal();
    const parsed = parse(bytes);
    if (typeof parsed === "string") return problem(context, parsed);
    const faults = textFaults(parsed.text);
    if (faults.length > 0) {
      const pointed = faults.map(({ path, message }) => ({
        pointer: pointerTo(body, path),
        message,
      }));
      return validationFailed(context, "body", pointed);
    }
    given(parsed.value);
    return next();
  };

/** The steps from bytes to a body that its schema accepts, found by `validBody`. */
export const bodySteps = (definition: BodyDefinition): readonly Step[] => [
  readJson(definition),
  zValidator("json", definition.body, (result, context) => {
    if (result.success) return undefined;
    const faults = schemaFaults(definition.body, result.error);
    return validationFailed(context as EdgeContext, "body", faults);
  }) as Step,
];

/** The body that `bodySteps` let through. */
export const validBody = (context: EdgeContext): Readonly<Record<string, unknown>> =>
  context.req.valid("json" as never);
