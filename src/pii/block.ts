import { VarveError } from "#kernel/errors.ts";
import type { ErrorCode } from "#kernel/errors.ts";
import { accept, refuse } from "#kernel/result.ts";
import type { Result } from "#kernel/result.ts";

import { decrypt, encrypt, nonceBytes, tagBytes } from "./aead.ts";
import { concat, lp, sameBytes, uuidBytes, uuidText } from "./bytes.ts";
import type { Bytes } from "./bytes.ts";
import { commitmentBytes } from "./data-key.ts";
import type { DataKey } from "./data-key.ts";
import { decodeFrame, encodeFrame, frameBytesMin } from "./frame.ts";

// The layout of a sealed value. Only envelope.ts may import this file, because sealing takes a
// nonce here, and a nonce used twice under one key gives away both values.

const formatVersion = 1;
const suite = 1;
const paddedFlag = 1;

/** What a block holds; the bytes of a kind are never opened as another. */
const kinds = { value: 1, response: 3 } as const;
export type Kind = keyof typeof kinds;

/** Where a value belongs. It opens there and nowhere else. */
export type Place = {
  readonly kind: Kind;
  readonly tenant: string;
  readonly stream: string;
  readonly label: string;
};

const keyIdAt = 4;
const commitmentAt = keyIdAt + 16;
const nonceAt = commitmentAt + commitmentBytes;
const cipherAt = nonceAt + nonceBytes;
const blockBytesMin = cipherAt + frameBytesMin + tagBytes;

const boundBytes = (header: Bytes, { tenant, stream, label }: Place): Bytes =>
  concat(header, lp(tenant), lp(stream), lp(label));

/** A block for the JSON text. The nonce must never have been used with this key before. */
export async function sealBlock(
  key: DataKey,
  place: Place,
  { json, nonce }: { readonly json: string; readonly nonce: Bytes },
): Promise<Bytes> {
  const start = Uint8Array.of(formatVersion, suite, paddedFlag, kinds[place.kind]);
  const header = concat(start, uuidBytes(key.keyId), key.commitment);
  const bound = boundBytes(header, place);
  const cipher = await encrypt({ key: key.encryption, nonce, bound }, encodeFrame(json));
  return concat(header, nonce, cipher);
}

/** Whether the first bytes are those of a block that this version can read. */
export function isBlock(block: Bytes): boolean {
  const [version, blockSuite, flags = 0, kind] = block;
  if (block.length < blockBytesMin || version !== formatVersion || blockSuite !== suite) {
    return false;
  }
  return (flags & ~paddedFlag) === 0 && Object.values<number | undefined>(kinds).includes(kind);
}

/** The key id that a block names, as a UUID in lower case. */
export const blockKeyId = (block: Bytes): string => uuidText(block.subarray(keyIdAt, commitmentAt));

const failure = (code: ErrorCode, message: string, key: DataKey): Result<never, VarveError> =>
  refuse(new VarveError(code, message, { keyId: key.keyId }));

/** The value in a block that `isBlock` accepts, or why it cannot be had. */
export async function openBlock(
  key: DataKey,
  place: Place,
  block: Bytes,
): Promise<Result<unknown, VarveError>> {
  const header = block.subarray(0, nonceAt);
  const commitment = header.subarray(commitmentAt);
  if (blockKeyId(block) !== key.keyId || !sameBytes(commitment, key.commitment)) {
    return failure("sealed-value-wrong-key", "A sealed value names another key.", key);
  }
  if (block[3] !== kinds[place.kind]) {
    return failure("sealed-value-tampered", "A sealed value is of another kind.", key);
  }
  const nonce = block.subarray(nonceAt, cipherAt);
  const bound = boundBytes(header, place);
  const frame = await decrypt({ key: key.encryption, nonce, bound }, block.subarray(cipherAt));
  if (frame === undefined) {
    return failure("sealed-value-tampered", "A sealed value was edited or moved.", key);
  }
  const decoded = decodeFrame(frame, block[2] === paddedFlag);
  if (decoded !== undefined) return accept(decoded.value);
  return failure("sealed-value-malformed", "A sealed value holds no valid frame.", key);
}
