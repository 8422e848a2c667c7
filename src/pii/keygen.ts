import { randomBytes } from "./aead.ts";
import { toBase64 } from "./base64.ts";
import { keyBytes } from "./data-key.ts";
import { masterKeysText } from "./master-keys.ts";

/** Key material under the names and in the text forms of the environment. All of it is secret. */
export type KeyTexts = {
  readonly PII_MASTER_KEYS: string;
  readonly PII_LOOKUP_KEY: string;
  readonly PII_INDEX_KEY: string;
  readonly AUDIT_SIGNING_KEY: string;
};

/** A private Ed25519 key (RFC 8032) as PKCS#8 in base64. */
async function signingKeyText(): Promise<string> {
  const generated = crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  const { privateKey } = (await generated) as CryptoKeyPair;
  return toBase64(new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey)));
}

/** Fresh keys, with one master key of the given id, such as `k202611`. Kept nowhere. */
export async function generateKeys(masterKeyId: string): Promise<KeyTexts> {
  return {
    PII_MASTER_KEYS: masterKeysText([{ id: masterKeyId, root: randomBytes(keyBytes) }]),
    PII_LOOKUP_KEY: toBase64(randomBytes(keyBytes)),
    PII_INDEX_KEY: toBase64(randomBytes(keyBytes)),
    AUDIT_SIGNING_KEY: await signingKeyText(),
  };
}
