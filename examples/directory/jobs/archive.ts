import { AssetMissing, defineJob, isJobFailure, type JobContext, PermanentFailure } from "kintsugi"
import { DateTime } from "effect"
import { gzipSync } from "node:zlib"
import { assetIds } from "../assets.ts"
import { tar, type TarEntry } from "../tar.ts"
import type { ReportPayload } from "./report.ts"

interface Parameters {
  /** Folder of the store `reports` that holds the artifacts; default: the report's own. */
  readonly reportDir?: string
  /** Folder of the store `archives`; default `archives`. */
  readonly archiveDir?: string
  /** Default: the report's folder with `.tar.gz`. */
  readonly archiveName?: string
  /** What the report says of itself; default: the newest generation of the consumed asset. */
  readonly asset?: ReportPayload
}

/** Packs every artifact of the report into one archive. An artifact that is gone is a loss of the report. */
export const archive = defineJob<Parameters>({
  slug: "archive-report",
  description: "Packs the report into a tar.gz",
  run: async (ctx) => {
    const report = ctx.parameters.asset ?? (ctx.inputs[assetIds.report]?.payload as ReportPayload | undefined)
    if (report === undefined)
      throw new PermanentFailure(`${assetIds.report} has no generation: there is nothing to pack`)
    const { artifacts, outputDir, reportTitle } = report
    const { archiveDir = "archives", archiveName = `${outputDir}.tar.gz`, reportDir = outputDir } = ctx.parameters
    const entries: Array<TarEntry> = []
    for (const { relativePath } of artifacts) {
      entries.push({ name: relativePath, bytes: await artifact(ctx, reportDir, relativePath) })
    }
    const archivePath = `${archiveDir}/${archiveName}`
    const location = await ctx.files.writeBytes("archives", archivePath, gzipSync(tar(entries)))
    const payload = {
      archivePath,
      archiveDir,
      archiveName,
      sourceAssetId: assetIds.report,
      sourceOutputDir: outputDir,
      reportTitle,
      generatedAt: DateTime.formatIso(DateTime.nowUnsafe()),
      artifactCount: artifacts.length,
      artifacts
    }
    return { result: { archivePath, assets: [{ assetId: assetIds.archive, payload, locations: [location] }] } }
  }
})

const artifact = async (ctx: JobContext<Parameters>, reportDir: string, relativePath: string): Promise<Uint8Array> => {
  const key = `${reportDir}/${relativePath}`
  try {
    return await ctx.files.readBytes("reports", key)
  } catch (cause) {
    if (!isJobFailure(cause) || cause._tag !== "AssetMissing") throw cause
    const message = `Artifact not found: ${key} of the store reports`
    throw new AssetMissing({ assetId: assetIds.report, store: "reports", key, message, cause })
  }
}
