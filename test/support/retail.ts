import { join } from "node:path";

const beside = join(import.meta.dir, "..", "..", "..", "shared", "data", "online-retail.csv.gz");

/** The file of a year of real invoices. */
export const retailPath = process.env["VARVE_RETAIL_CSV"] ?? beside;

/** Whether it is there; where it is not, the tests that need it are skipped and say so. */
export const retailPresent = await Bun.file(retailPath).exists();

if (!retailPresent) {
  process.stderr.write("skipped: no year of invoices; VARVE_RETAIL_CSV names the file\n");
}
