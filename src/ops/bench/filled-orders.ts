import type { Comparison } from "./compare.ts";
import {
  invoiceCommands,
  madeUpCommands,
  openOrderCommands,
  scratchKeys,
  sendAll,
} from "./orders.ts";
import type { ProjectBench } from "./scenario.ts";
import { prepareViews, type ViewsOptions } from "./views.ts";

type Work = (options: ViewsOptions) => Promise<readonly Comparison[]>;

/** Runs the work on a new database whose log holds orders: of the file, or so many events made up. */
export const withOrders = (
  bench: ProjectBench,
  scenario: string,
  events: number,
  work: Work,
): Promise<readonly Comparison[]> =>
  bench.server.withDatabases(["log"], async ({ log }) => {
    const { file, settings, note } = bench;
    const keys = await scratchKeys();
    const poolOptions = bench.poolOptions(log);
    const orders = await openOrderCommands(poolOptions, keys);
    try {
      const { pool } = orders;
      const commands = file === undefined ? madeUpCommands(events) : await invoiceCommands(file);
      await sendAll(orders, commands, (sent) => note(`${scenario}: filled ${sent} events`));
      note(`${scenario}: ${commands.length} events`);
      for (const text of ["vacuum (analyze) varve.events", "vacuum (analyze) varve.streams"]) {
        await pool.query({ name: "bench", text }, []);
      }
      const options = { pool, poolOptions, settings, keys };
      await prepareViews(options);
      return await work(options);
    } finally {
      await orders.close();
    }
  });
