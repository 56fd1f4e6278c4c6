import { defineJob, PermanentFailure } from "kintsugi"
import { alertsOf } from "../alerts.ts"
import { assetIds, dataset, seriesKey } from "../assets.ts"
import { alertsHtml, type Measured, temperaturePlot } from "../report.ts"
import type { Rollup } from "../rollup.ts"

interface Parameters {
  /** Folder of the store `lake` that holds the rollups. */
  readonly telemetryDir: string
  /** How far the scan goes back from the newest sample, 1 to 168. */
  readonly windowHours: number
}

const folder = "fleet-telemetry"

/** Scans the newest rollup of each instrument and flags what is to be looked at. */
export const alerts = defineJob<Parameters>({
  slug: "fleet-telemetry-alerts",
  description: "Flags instruments beyond a limit, and those that are silent",
  run: async (ctx) => {
    const { telemetryDir, windowHours } = ctx.parameters
    const parts = (ctx.inputs[assetIds.instrument]?.all ?? []).flatMap(({ locations }) =>
      locations.filter(({ key, store }) => store === "lake" && key.startsWith(`${telemetryDir}/`))
    )
    if (parts.length === 0)
      throw new PermanentFailure(`no instrument has a rollup in ${telemetryDir} of the store lake`)
    const rollups: Array<Rollup> = []
    for (const { key, store } of parts) rollups.push(JSON.parse(await ctx.files.readText(store, key)) as Rollup)
    const found = alertsOf(rollups, windowHours)
    const samples = (await ctx.timestore.query(
      dataset,
      `SELECT partition_key, timestamp, temperature_c::DOUBLE AS temperature_c FROM ${dataset}
       ORDER BY partition_key, timestamp`,
      [],
      { partitions: rollups.map(({ day, instrumentId }) => seriesKey(instrumentId, day)) }
    )) as unknown as ReadonlyArray<Measured>
    const locations = [
      await ctx.files.writeText("reports", `${folder}/alerts.json`, `${JSON.stringify(found, null, 2)}\n`),
      await ctx.files.writeText("reports", `${folder}/temperature.svg`, temperaturePlot(samples)),
      await ctx.files.writeText("reports", `${folder}/index.html`, alertsHtml(found, rollups))
    ]
    const flagged = found.flags.map(({ instrumentId }) => instrumentId)
    return { result: { flagged, assets: [{ assetId: assetIds.alerts, payload: found, locations }] } }
  }
})
