import type { Keyring } from "#pii/keyring.ts";
import { createGroupCommit, type GroupCommit } from "#store/group-commit.ts";

import { openTestKeyring } from "./keyrings.ts";
import { closeStore, openStore, type TestStore } from "./store.ts";

/** A store with what handling commands needs. */
export type CommandStore = TestStore & {
  readonly keyring: Keyring;
  readonly groupCommit: GroupCommit;
};

export async function openCommandStore(): Promise<CommandStore> {
  const store = await openStore();
  const keyring = await openTestKeyring(store.pool);
  return { ...store, keyring, groupCommit: createGroupCommit(store.pool) };
}

/** Waits for what is being appended, then closes as `closeStore` does. */
export async function closeCommandStore(store: CommandStore): Promise<void> {
  await store.groupCommit.drain();
  await closeStore(store);
}
