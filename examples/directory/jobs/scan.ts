import { defineJob, PermanentFailure } from "kintsugi"
import { isAbsolute } from "node:path"
import { scanResultsOf } from "../scan.ts"
import { walk } from "../walk.ts"

interface Parameters {
  /** Absolute path of the folder that is looked at. */
  readonly scanDir: string
  /** How many files and folders are looked at, 1,000 to 200,000. */
  readonly maxEntries: number
}

/** Looks at a folder of this machine. What it finds is kept as `scanResults` of the step's result. */
export const scan = defineJob<Parameters>({
  slug: "scan-directory",
  description: "Sums up the files of a folder",
  run: async ({ heartbeat, parameters, signal }) => {
    const { maxEntries, scanDir } = parameters
    if (!isAbsolute(scanDir)) throw new PermanentFailure(`scanDir must be an absolute path, not ${scanDir}`)
    const found = await walk(scanDir, maxEntries, { signal, heartbeat: (entries) => heartbeat({ entries }) })
    return { result: { scanResults: scanResultsOf(scanDir, maxEntries, found) } }
  }
})
