import { DateTime } from "effect"
import { extname } from "node:path"

/** A file as it was found. Sizes are in bytes, times in epoch ms. */
export interface FoundFile {
  /** From the scanned folder, parts separated by `/`. */
  readonly relativePath: string
  readonly size: number
  readonly modifiedAt: number
}

/** A folder below the scanned one. */
export interface FoundDirectory {
  readonly relativePath: string
}

export interface Found {
  readonly files: ReadonlyArray<FoundFile>
  readonly directories: ReadonlyArray<FoundDirectory>
  /** What could not be read, in the order in which it was met. */
  readonly issues: ReadonlyArray<Issue>
  /** There was more than `maxEntries`. */
  readonly truncated: boolean
}

export type Issue = { readonly relativePath: string; readonly message: string }

type Count = { readonly count: number; readonly totalSize: number }

/** What a scan found, in a size that a step's result can hold. Depth 1 is what lies in the scanned folder itself. */
export type ScanResults = {
  readonly rootPath: string
  readonly summary: {
    readonly totalFiles: number
    readonly totalDirectories: number
    readonly totalSize: number
    /** Rounded to bytes; 0 without files. */
    readonly averageFileSize: number
    readonly maxDepth: number
    /** ISO 8601; null without files. */
    readonly earliestModifiedAt: string | null
    readonly latestModifiedAt: string | null
    readonly truncated: boolean
    readonly maxEntries: number
  }
  /** The 200 whose own files are the largest together. */
  readonly directories: ReadonlyArray<{
    readonly relativePath: string
    readonly depth: number
    readonly files: number
    readonly totalSize: number
  }>
  /** The 100 that take the most space; "" is a file without an extension. */
  readonly extensionStats: ReadonlyArray<{ readonly extension: string } & Count>
  readonly sizeDistribution: ReadonlyArray<{ readonly label: string } & Count>
  readonly depthStats: ReadonlyArray<{
    readonly depth: number
    readonly files: number
    readonly directories: number
    readonly totalSize: number
  }>
  readonly largestFiles: ReadonlyArray<{
    readonly relativePath: string
    readonly size: number
    readonly modifiedAt: string
    readonly extension: string
  }>
  readonly issues: ReadonlyArray<Issue>
}

const directoriesMax = 200
const extensionsMax = 100
const largestFilesMax = 40
const issuesMax = 50
const depthsMax = 100
/** Longer paths are shown by their ends, so that a result stays within its bound. */
const shownPathMax = 160

const kb = 1024
const mb = 1024 * kb
/** Upper bounds in bytes, each of them included. */
const sizeClasses: ReadonlyArray<readonly [label: string, bytesMax: number]> = [
  ["0-1KB", kb],
  ["1-10KB", 10 * kb],
  ["10-100KB", 100 * kb],
  ["100KB-1MB", mb],
  ["1-10MB", 10 * mb],
  [">10MB", Number.POSITIVE_INFINITY]
]

/** Sums up what was found. */
export const scanResultsOf = (rootPath: string, maxEntries: number, found: Found): ScanResults => {
  const { directories, files, issues, truncated } = found
  const totalSize = sizeOf(files)
  const modified = files.map(({ modifiedAt }) => modifiedAt)
  const bySize = files.toSorted((left, right) => right.size - left.size || byPath(left, right))
  const times = modified.length === 0 ? null : { first: modified.reduce(lower), last: modified.reduce(higher) }
  const own = Map.groupBy(files, ({ relativePath }) => parentOf(relativePath))
  return {
    rootPath,
    summary: {
      totalFiles: files.length,
      totalDirectories: directories.length,
      totalSize,
      averageFileSize: files.length === 0 ? 0 : Math.round(totalSize / files.length),
      maxDepth: [...files, ...directories].map(({ relativePath }) => depthOf(relativePath)).reduce(higher, 0),
      earliestModifiedAt: times === null ? null : iso(times.first),
      latestModifiedAt: times === null ? null : iso(times.last),
      truncated,
      maxEntries
    },
    directories: directories
      .map((directory) => ({ ...directory, held: own.get(directory.relativePath) ?? [] }))
      .map(({ held, relativePath }) => ({
        relativePath,
        depth: depthOf(relativePath),
        files: held.length,
        totalSize: sizeOf(held)
      }))
      .toSorted((left, right) => right.totalSize - left.totalSize || byPath(left, right))
      .slice(0, directoriesMax)
      .map((directory) => ({ ...directory, relativePath: shown(directory.relativePath) })),
    extensionStats: [...Map.groupBy(files, extensionOf)]
      .map(([extension, held]) => ({ extension, count: held.length, totalSize: sizeOf(held) }))
      .toSorted((left, right) => right.totalSize - left.totalSize || (left.extension < right.extension ? -1 : 1))
      .slice(0, extensionsMax),
    sizeDistribution: sizeDistribution(files),
    depthStats: depthStats(files, directories),
    largestFiles: bySize.slice(0, largestFilesMax).map((file) => ({
      relativePath: shown(file.relativePath),
      size: file.size,
      modifiedAt: iso(file.modifiedAt),
      extension: extensionOf(file)
    })),
    issues: issues
      .slice(0, issuesMax)
      .map(({ message, relativePath }) => ({ relativePath: shown(relativePath), message: shown(message) }))
  }
}

/** How many files are of which size. */
export const sizeDistribution = (
  files: ReadonlyArray<Pick<FoundFile, "size">>
): ReadonlyArray<{ readonly label: string } & Count> => {
  const classOf = ({ size }: Pick<FoundFile, "size">) => sizeClasses.find(([, bytesMax]) => size <= bytesMax)?.[0]
  const held = Map.groupBy(files, classOf)
  return sizeClasses.map(([label]) => {
    const own = held.get(label) ?? []
    return { label, count: own.length, totalSize: sizeOf(own) }
  })
}

const depthStats = (files: ReadonlyArray<FoundFile>, directories: ReadonlyArray<FoundDirectory>) => {
  const filesAt = Map.groupBy(files, ({ relativePath }) => depthOf(relativePath))
  const directoriesAt = Map.groupBy(directories, ({ relativePath }) => depthOf(relativePath))
  return [...new Set([...filesAt.keys(), ...directoriesAt.keys()])]
    .sort((left, right) => left - right)
    .slice(0, depthsMax)
    .map((depth) => ({
      depth,
      files: filesAt.get(depth)?.length ?? 0,
      directories: directoriesAt.get(depth)?.length ?? 0,
      totalSize: sizeOf(filesAt.get(depth) ?? [])
    }))
}

const sizeOf = (files: ReadonlyArray<Pick<FoundFile, "size">>): number => files.reduce((sum, { size }) => sum + size, 0)

// `Math.min` and `Math.max` of two: they take no hundred thousand arguments.
const lower = (left: number, right: number): number => Math.min(left, right)
const higher = (left: number, right: number): number => Math.max(left, right)

const depthOf = (relativePath: string): number => relativePath.split("/").length

const parentOf = (relativePath: string): string => relativePath.split("/").slice(0, -1).join("/")

const extensionOf = ({ relativePath }: FoundFile): string => extname(relativePath).toLowerCase().slice(0, 20)

const byPath = (left: FoundDirectory, right: FoundDirectory): number =>
  left.relativePath < right.relativePath ? -1 : 1

const shown = (text: string): string =>
  (text.length <= shownPathMax ? text : `…${text.slice(1 - shownPathMax)}`).toWellFormed()

const iso = (epochMs: number): string => DateTime.formatIso(DateTime.makeUnsafe(epochMs))
