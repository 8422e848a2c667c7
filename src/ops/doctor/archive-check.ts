import { isCode } from "#kernel/errors.ts";
import { onDisk, probeFolder } from "#store/partitions/files.ts";

import { type Check, fail, type Finding, ok, type Patient, warn } from "./check.ts";

async function archive({ config }: Patient): Promise<Finding> {
  const { archiveDirectory: directory, retentionMonths } = config.partitions;
  if (directory === undefined) return ok("no ARCHIVE_DIR: months stay until somebody says --to");
  try {
    const found = await onDisk(directory, () => probeFolder(directory));
    if (found === "there") return ok(`${directory} can be written to`);
    return ok(`${directory} is not there and can be made; a volume that is not mounted looks so`);
  } catch (error) {
    if (!isCode(error, "service-unavailable")) throw error;
    const remedy =
      "let ARCHIVE_DIR name a folder that the service's user may write to, one for all instances";
    return (retentionMonths === undefined ? warn : fail)(error.message, remedy);
  }
}

/** Whether months can be archived from here, by this user. Leaves nothing behind. */
export const archiveCheck: Check = { name: "archive", needsSchema: false, run: archive };
