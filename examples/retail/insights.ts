import { dayAfter } from "../days.ts"
import type { DaySummary } from "./jobs/parquet.ts"
import { cents } from "./money.ts"
import { merged, type Share, totalsOf } from "./sales.ts"

const topMax = 5

/** A share of the whole revenue, 0 to 1, rounded to 4 digits. */
export type TopShare = Share & { readonly share: number }

/** What `metrics.json` of the report holds. */
export type SalesMetrics = {
  readonly lookback: number
  /** First and last day that was found. */
  readonly from: string
  readonly to: string
  readonly days: number
  readonly orders: number
  readonly totals: { readonly units: number; readonly revenue: number; readonly averageOrderValue: number }
  /** The 5 of highest revenue. */
  readonly topCategories: ReadonlyArray<TopShare>
  readonly topRegions: ReadonlyArray<TopShare>
  readonly channels: ReadonlyArray<TopShare>
  readonly revenueSeries: ReadonlyArray<{ readonly day: string; readonly revenue: number; readonly units: number }>
}

/** The days among `days` that lie in the last `lookback` days, counted back from the newest; in their order. */
export const daysWithin = (days: ReadonlyArray<string>, lookback: number): ReadonlyArray<string> => {
  const newest = days.toSorted().at(-1)
  if (newest === undefined) return []
  const oldest = dayAfter(newest, 1 - lookback)
  return days.filter((day) => day >= oldest).toSorted()
}

/** Sums up the days, at least one, which come in their order. */
export const metricsOf = (summaries: ReadonlyArray<DaySummary>, lookback: number): SalesMetrics => {
  const { revenue, units } = totalsOf(summaries.map(({ totals }) => totals))
  const categories = merged(summaries.flatMap(({ byCategory }) => byCategory))
  const orders = categories.reduce((sum, share) => sum + share.orders, 0)
  const shared = (shares: ReadonlyArray<Share>): ReadonlyArray<TopShare> =>
    shares.map((share) => ({
      ...share,
      share: revenue === 0 ? 0 : Number((share.revenue / revenue).toFixed(4))
    }))
  return {
    lookback,
    from: summaries[0]?.partitionKey ?? "",
    to: summaries.at(-1)?.partitionKey ?? "",
    days: summaries.length,
    orders,
    totals: { units, revenue, averageOrderValue: orders === 0 ? 0 : Math.round(cents(revenue) / orders) / 100 },
    topCategories: shared(categories.slice(0, topMax)),
    topRegions: shared(merged(summaries.flatMap(({ byRegion }) => byRegion)).slice(0, topMax)),
    channels: shared(merged(summaries.flatMap((summary) => summary.channels))),
    revenueSeries: summaries.map(({ partitionKey, totals }) => ({
      day: partitionKey,
      revenue: totals.revenue,
      units: totals.units
    }))
  }
}
