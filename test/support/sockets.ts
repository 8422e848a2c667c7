import { readFile } from "node:fs/promises";

/** This machine's TCP connections to a local port, with the kernel's timer of each: `02` is keep-alive. */
export async function sockets(port: number): Promise<readonly { readonly timer: string }[]> {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const lines = (await readFile("/proc/net/tcp", "utf8")).trim().split("\n").slice(1);
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[2]?.endsWith(wanted) === true && fields[3] === "01")
    .map((fields) => ({ timer: fields[5]?.slice(0, 2) ?? "" }));
}
