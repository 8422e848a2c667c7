import { z } from "zod";

import type { Fault } from "#domain/decider.ts";
import { limits } from "#kernel/limits.ts";
import { personalMark } from "#kernel/personal.ts";

import type { EdgeContext } from "./edge.ts";
import { problem } from "./problem.ts";

/** From the root of a body to a value in it: names of fields and numbers of items. */
export type Path = readonly PropertyKey[];

/** Longer names of unknown fields are no typing errors and are not repeated to the caller. */
const UNKNOWN_NAME_CHARS = 64;

type Schema = z.core.$ZodType;

function childOf(schema: Schema | undefined, step: PropertyKey): Schema | undefined {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) {
    return childOf(schema.unwrap(), step);
  }
  if (schema instanceof z.ZodArray) return typeof step === "number" ? schema.element : undefined;
  if (!(schema instanceof z.ZodObject) || typeof step !== "string") return undefined;
  const shape: Readonly<Record<string, Schema>> = schema.shape;
  return Object.hasOwn(shape, step) ? shape[step] : undefined;
}

/** RFC 6901, section 3. */
const escaped = (step: PropertyKey): string =>
  String(step).toWellFormed().replaceAll("~", "~0").replaceAll("/", "~1");

/**
 * The JSON pointer (RFC 6901) of a value. It ends early where a name is not declared and stands
 * inside a personal field, or is too long: such a name is the caller's data.
 */
export function pointerTo(root: Schema, path: Path): string {
  let pointer = "";
  let schema: Schema | undefined = root;
  let inPersonal = false;
  for (const step of path) {
    schema = childOf(schema, step);
    const isKnown = schema !== undefined;
    if (!isKnown && (inPersonal || String(step).length > UNKNOWN_NAME_CHARS)) return pointer;
    pointer += `/${escaped(step)}`;
    inPersonal ||= schema !== undefined && personalMark(schema) !== undefined;
  }
  return pointer;
}

/** What a schema found. Names of unknown fields stand in pointers alone, never in messages. */
export function schemaFaults(root: Schema, error: z.core.$ZodError): readonly Fault[] {
  return error.issues.slice(0, limits.validationFaults).flatMap((issue) => {
    if (issue.code !== "unrecognized_keys") {
      return [{ pointer: pointerTo(root, issue.path), message: issue.message }];
    }
    const parent = pointerTo(root, issue.path);
    return issue.keys.slice(0, limits.validationFaults).map((name) => {
      const pointer = pointerTo(root, [...issue.path, name]);
      return {
        pointer,
        message: pointer === parent ? "has a field that is not known" : "is not known",
      };
    });
  });
}

/** The answer for faults, at most as many as the limit allows. */
export const validationFailed = (
  context: EdgeContext,
  where: "body" | "path" | "query" | "header",
  faults: readonly Fault[],
): Response =>
  problem(context, "validation-failed", {
    detail: `The ${where} has faults; each pointer leads to one.`,
    fields: { errors: faults.slice(0, limits.validationFaults) },
  });
