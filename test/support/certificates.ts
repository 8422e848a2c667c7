/**
 * A certificate authority of a test's own, by the machine's `openssl`.
 *
 * What it promises. Certificates of today, or already expired, for the names and addresses that the
 * test gives; files that the server's account may read, in a folder that `remove` takes away.
 */
import { spawnSync } from "node:child_process";
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type Certificate = { readonly certFile: string; readonly keyFile: string };

export type Authority = {
  /** Its own certificate, PEM. */
  readonly ca: string;
  /** A server's certificate for `DNS:…` and `IP:…` names, valid for so many days; below 0 expired. */
  readonly issue: (names: string, days?: number) => Certificate;
};

const program = "openssl";

function openssl(folder: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { cwd: folder, encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args[0]} failed: ${stderr}`);
}

const newKey = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes".split(" ");

/** A folder for authorities; their files will belong to that user. */
export function openCertificates(account: { readonly uid: number; readonly gid: number }) {
  const folder = mkdtempSync(join(tmpdir(), "varve-certificates-"));
  chownSync(folder, account.uid, account.gid);
  let count = 0;
  const createAuthority = (): Authority => {
    const name = `ca-${(count += 1)}`;
    const files = ["-keyout", `${name}.key`, "-out", `${name}.crt`];
    openssl(folder, ["req", "-x509", ...newKey, ...files, "-subj", `/CN=${name}`, "-days", "2"]);
    return {
      ca: readFileSync(join(folder, `${name}.crt`), "utf8"),
      issue: (names, days = 2) => {
        const own = `server-${(count += 1)}`;
        const request = ["-keyout", `${own}.key`, "-out", `${own}.csr`, "-subj", `/CN=${own}`];
        openssl(folder, ["req", ...newKey, ...request]);
        writeFileSync(join(folder, `${own}.ext`), `subjectAltName=${names}\n`);
        const signed = ["-CA", `${name}.crt`, "-CAkey", `${name}.key`, "-CAcreateserial"];
        const made = ["-in", `${own}.csr`, "-out", `${own}.crt`, "-extfile", `${own}.ext`];
        openssl(folder, ["x509", "-req", ...made, ...signed, "-days", String(days)]);
        const [certFile, keyFile] = [join(folder, `${own}.crt`), join(folder, `${own}.key`)];
        for (const file of [certFile, keyFile]) chownSync(file, account.uid, account.gid);
        return { certFile, keyFile };
      },
    };
  };
  return { createAuthority, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
