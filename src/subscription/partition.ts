/**
 * The partition of a subscription that takes a stream: the first four bytes of SHA-256 of its name,
 * as a number without sign, modulo their count. `varve.stream_partition` computes the same.
 */
export function streamPartition(stream: string, partitions: number): number {
  if (partitions === 1) return 0;
  const digest = new Bun.CryptoHasher("sha256").update(stream).digest();
  return digest.readUInt32BE(0) % partitions;
}
