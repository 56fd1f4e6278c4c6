import { defineJob } from "kintsugi"
import { assetIds } from "../assets.ts"
import { readingsOf } from "../generator.ts"
import { csvKey, instruments, parseMinute } from "../instruments.ts"
import { toCsv } from "../readings.ts"

/** Acquires a minute of every instrument: one CSV each. */
export const generate = defineJob({
  slug: "observatory-generate",
  description: "Writes the CSV of each instrument for the minute",
  run: async (ctx) => {
    const minute = parseMinute(ctx.partitionKey)
    const locations = await Promise.all(
      instruments.map((instrument) =>
        ctx.files.writeText("inbox", csvKey(instrument.id, minute), toCsv(readingsOf(instrument, minute)))
      )
    )
    const payload = { minute: minute.key, files: locations.map(({ key }) => key) }
    return { result: { files: locations.length, assets: [{ assetId: assetIds.inboxCsv, payload, locations }] } }
  }
})
