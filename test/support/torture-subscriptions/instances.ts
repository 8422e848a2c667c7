/** Processes of the service that are killed, stopped and started anew under their callers. */
import type postgres from "postgres";

import { sleep } from "#kernel/clock.ts";
import { type ProcessOptions, type Service, startService } from "#test/support/service.ts";

export type Instances = Awaited<ReturnType<typeof startInstances>>;

/** A start whose sessions are ended may fail; this often in a row it does not. */
const STARTS = 20;

/** Longer than a lease, so that another instance has taken over by then. */
const STOPPED_MS = 5_000;

/** Starts so many. `faults` gets what they say when they end by themselves. */
export async function startInstances(options: ProcessOptions, count: number) {
  const faults: string[] = [];
  const running: (Service | undefined)[] = [];
  let [failedStarts, isClosing] = [0, false];
  const expected = new Set<Service>();

  const start = async (index: number): Promise<void> => {
    for (let attempt = 1; attempt <= STARTS; attempt += 1) {
      try {
        const service = await startService(options);
        running[index] = service;
        void watch(service, index);
        return;
      } catch (error) {
        failedStarts += 1;
        if (attempt === STARTS) faults.push(`an instance does not start: ${String(error)}`);
        await sleep(100);
      }
    }
  };

  const watch = async (service: Service, index: number): Promise<void> => {
    const { code, signal } = await service.exited;
    if (expected.has(service)) return;
    running[index] = undefined;
    faults.push(`an instance ended with ${code ?? signal}: ${service.output().slice(-2_000)}`);
    if (!isClosing) await start(index);
  };

  await Promise.all(Array.from({ length: count }, (_, index) => start(index)));

  const pick = (): readonly [Service, number] | undefined => {
    const index = Math.floor(Math.random() * count);
    const service = running[index];
    return service === undefined ? undefined : [service, index];
  };

  return {
    faults,
    failedStarts: (): number => failedStarts,
    /** One of those that run. */
    any: (): Service | undefined => pick()?.[0],
    /** Ends one at once, and starts another in its place. */
    kill: async (): Promise<boolean> => {
      const picked = pick();
      if (picked === undefined) return false;
      const [service, index] = picked;
      expected.add(service);
      running[index] = undefined;
      await service.stop("SIGKILL");
      await start(index);
      return true;
    },
    /** Lets one stand still past its lease. */
    hold: async (): Promise<boolean> => {
      const service = pick()?.[0];
      if (service === undefined) return false;
      service.signal("SIGSTOP");
      await sleep(STOPPED_MS);
      service.signal("SIGCONT");
      return true;
    },
    /** Drains all of them. */
    close: async (): Promise<void> => {
      isClosing = true;
      for (const service of running.filter((one) => one !== undefined)) {
        expected.add(service);
        const { code } = await service.stop();
        if (code !== 0) faults.push(`an instance drained with ${code}`);
      }
    },
  };
}

/** Ends a random session of the service. */
export async function endSession(sql: postgres.Sql): Promise<boolean> {
  const ended = await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name like 'varve %'
     order by random() limit 1`;
  return ended.length > 0;
}
