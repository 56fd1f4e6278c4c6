import { lineChart } from "../charts.ts"
import { page, table } from "../page.ts"
import type { SalesMetrics, TopShare } from "./insights.ts"
import { shownMoney } from "./money.ts"

/** `revenue-trend.svg` */
export const revenueTrend = ({ revenueSeries }: SalesMetrics): string =>
  lineChart({ name: "revenue-trend", title: "Revenue a day", unit: "", labels: revenueSeries.map(({ day }) => day) }, [
    { name: "revenue", values: revenueSeries.map(({ revenue }) => revenue) }
  ])

/** `index.html`, which shows the plot that lies beside it. */
export const reportHtml = (metrics: SalesMetrics): string => {
  const { channels, days, from, orders, to, topCategories, topRegions, totals } = metrics
  return page(`Retail sales, ${from} to ${to}`, [
    `<p>${days} days, ${orders} orders, ${totals.units} units: revenue ${shownMoney(totals.revenue)}, `,
    `${shownMoney(totals.averageOrderValue)} an order.</p>`,
    '<img src="revenue-trend.svg" alt="Revenue a day">',
    shares("Category", topCategories),
    shares("Region", topRegions),
    shares("Channel", channels)
  ])
}

const shares = (what: string, found: ReadonlyArray<TopShare>): string =>
  table(
    [what, "orders", "units", "revenue", "share"],
    found.map(({ name, orders, revenue, share, units }) => [
      name,
      String(orders),
      String(units),
      shownMoney(revenue),
      `${(share * 100).toFixed(1)} %`
    ])
  )
