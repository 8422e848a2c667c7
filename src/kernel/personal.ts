import { z } from "zod";

/**
 * Which fields are personal data, said once in the schema that declares them. A personal field is
 * an object that is sealed as one value when a command is accepted and travels sealed ever after.
 * `subject` names the field (of the body, else of the state) that holds the id of the person.
 * `label` is bound into the ciphertext. `clear` lists properties that are not personal and that
 * business rules may see. `index` lists properties searched by blind index.
 */
export type PersonalMark = {
  readonly subject: string;
  readonly label: string;
  readonly clear: readonly string[];
  readonly index: Readonly<Record<string, string>>;
};

declare const sealedBrand: unique symbol;
declare const personalBrand: unique symbol;

/** The text of a sealed value, `es1.…`. */
export type Sealed = string & { readonly [sealedBrand]: true };

/** A sealed value beside the properties of the same object that are not personal. */
export type SealedBeside<Value, Clear extends keyof Value> = { readonly sealed: Sealed } & Pick<
  Value,
  Clear
>;

/** Plain text of a personal field, as only the edge sees it. */
export type Personal<Value, Clear extends keyof Value> = Value & {
  readonly [personalBrand]?: Clear;
};

type SealedField<Field> =
  Field extends Personal<infer Value, infer Clear>
    ? typeof personalBrand extends keyof Field
      ? [Clear] extends [never]
        ? Sealed
        : SealedBeside<Value, Clear & keyof Value>
      : Field
    : Field;

/** A command's body as the decider sees it: every personal field sealed. */
export type SealedFields<Body> = { readonly [Key in keyof Body]: SealedField<Body[Key]> };

const marks = new WeakMap<object, PersonalMark>();

/** Marks an object schema as the personal data of one subject. */
export function personal<
  Schema extends z.ZodObject,
  Clear extends keyof z.output<Schema> & string = never,
>(
  schema: Schema,
  mark: {
    subject: string;
    label: string;
    clear?: readonly Clear[];
    index?: Record<string, string>;
  },
): z.ZodType<Personal<z.output<Schema>, Clear>, z.input<Schema>> {
  const marked = schema.clone();
  marks.set(marked, { clear: [], index: {}, ...mark });
  return marked as unknown as z.ZodType<Personal<z.output<Schema>, Clear>, z.input<Schema>>;
}

/** The mark of a schema, looking through `optional()`; undefined if it is not personal. */
export function personalMark(schema: z.core.$ZodType): PersonalMark | undefined {
  return marks.get(schema instanceof z.ZodOptional ? schema.unwrap() : schema);
}

/** The personal fields of a body, in declared order. */
export function personalFields(body: z.ZodObject): ReadonlyMap<string, PersonalMark> {
  const found = new Map<string, PersonalMark>();
  const shape: Readonly<Record<string, z.core.$ZodType>> = body.shape;
  for (const [field, schema] of Object.entries(shape)) {
    const mark = personalMark(schema);
    if (mark !== undefined) found.set(field, mark);
  }
  return found;
}

/** The stored form of a personal field in an event or a document. */
export const sealedText = z.string().startsWith("es1.") as unknown as z.ZodType<Sealed, string>;
