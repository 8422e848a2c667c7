import { watch } from "node:fs";
import { basename, join } from "node:path";

/** An editor's "save all" and a checkout write many files within this time. */
const quietMs = 100;

/** What editors put beside a file while it is being written. */
const isScratch = (path: string): boolean => /^[.#]|[~#]$|\.tmp$/.test(basename(path));

/** Calls back with one changed path once the folders have been quiet for 100 ms after a change. */
export function watchTree(folders: readonly string[], onChange: (path: string) => void): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  for (const folder of folders) {
    watch(folder, { recursive: true }, (_, name) => {
      if (name !== null && isScratch(name)) return;
      clearTimeout(timer);
      timer = setTimeout(() => onChange(join(folder, name ?? "")), quietMs);
    });
  }
}
