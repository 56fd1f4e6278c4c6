/** What the directory workflows make. */
export const assetIds = {
  report: "directory.insights.report",
  archive: "directory.insights.archive"
} as const

/** The timestore's data set: a row a file extension, one partition an output folder. */
export const dataset = "directory_extensions"

/** A file of the report. */
export type Artifact = {
  /** Below the report's `outputDir`. */
  readonly relativePath: string
  readonly mediaType: string
  readonly description: string
  readonly sizeBytes: number
}
