import type { Report } from "./run.ts";

const count = (value: number): string => value.toLocaleString("en-GB");

const pounds = (minor: number): string =>
  (minor / 100).toLocaleString("en-GB", { style: "currency", currency: "GBP" });

const endings: Readonly<Record<Report["outcome"], string>> = {
  done: "The views have caught up.",
  interrupted: "Interrupted. With the same --file the next run goes on from here.",
  failed: "Stopped at an answer that a repeat would not change.",
  "views-behind": "The views have not caught up; the sums are not final.",
};

/** The report as lines for a person. */
export function describe(report: Report): string[] {
  const { orders, shipped, delivered, cancelled, skipped, unmatched } = report;
  const lines = [
    `orders ${count(orders)} · shipped ${count(shipped)} · delivered ${count(delivered)}` +
      ` · cancelled ${count(cancelled)}`,
    `invoices skipped ${count(skipped)} · credit notes unmatched ${count(unmatched)}`,
    `${count(report.commands)} of ${count(report.planned)} commands in ` +
      `${report.seconds.toFixed(1)} s, ${count(report.commandsPerSecond)} a second; ` +
      `${count(report.alreadyThere)} were already there`,
    endings[report.outcome],
  ];
  if (report.sales !== null) lines.push(describeSales(report.sales));
  if (report.failure !== null) {
    const { command, status, problem } = report.failure;
    lines.push(`${command}: ${status ?? "no answer"} ${JSON.stringify(problem, null, 2)}`);
  }
  return lines;
}

function describeSales(sales: NonNullable<Report["sales"]>): string {
  return (
    `All sales in ${sales.currency}: ${count(sales.days)} days, ${count(sales.orders)} orders, ` +
    `revenue ${pounds(sales.revenue)}, of it cancelled ${pounds(sales.cancelledRevenue)} ` +
    `(${count(sales.cancelledOrders)} orders)`
  );
}
