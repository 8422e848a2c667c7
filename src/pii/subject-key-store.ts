/** A key row. `wrapped` is null once the key is shredded. `keyId` is a UUID in lower case. */
export type SubjectKeyRow = {
  readonly keyId: string;
  readonly subjectHash: Uint8Array;
  readonly wrapped: Uint8Array | null;
  readonly kekId: string;
  /** `active`: seals and opens. `retired`: only opens. `shredded`: the person was erased. */
  readonly status: "active" | "retired" | "shredded";
};

/** A key that a subject without one may get. */
export type NewSubjectKey = {
  readonly keyId: string;
  readonly subjectHash: Uint8Array;
  readonly wrapped: Uint8Array;
  readonly kekId: string;
};

/** A sample wrapped under a master key: wrong bytes under a right id cannot open it. */
export type Canary = { readonly kekId: string; readonly wrapped: Uint8Array };

/**
 * Where wrapped keys are kept. The store room implements it. Rows come in any order; every call
 * may throw VarveError "database-unavailable" and its like.
 */
export type SubjectKeyStore = {
  /** The active row of each subject that has one. */
  readonly activeKeys: (subjectHashes: readonly Uint8Array[]) => Promise<readonly SubjectKeyRow[]>;
  /**
   * Inserts each row unless its subject has an active one, and returns the row that is active
   * afterwards for each subject, whoever made it. A subject that is fenced is left out, and no
   * other subject is.
   */
  readonly claimKeys: (rows: readonly NewSubjectKey[]) => Promise<readonly SubjectKeyRow[]>;
  /** The rows of these ids, whatever their status; an unknown id is left out. */
  readonly keysById: (keyIds: readonly string[]) => Promise<readonly SubjectKeyRow[]>;
  /** Each master key id that a key which is not shredded is wrapped under, once. */
  readonly livingKekIds: () => Promise<readonly string[]>;
  readonly canaries: () => Promise<readonly Canary[]>;
  /** Keeps the sample unless the master key id has one already. */
  readonly claimCanary: (kekId: string, wrapped: Uint8Array) => Promise<void>;
};
