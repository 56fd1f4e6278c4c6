import { hash } from "node:crypto"
import { link, mkdir, readdir, readFile, rename, rm, stat, unlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { errnoOf } from "./FolderFiles.ts"

interface Entry {
  readonly bytes: number
  /** Whether this process has seen the content to have its digest; a file of an earlier process may be half-written. */
  verified: boolean
}

/** Local copies of immutable objects, by the SHA-256 of their content; the least recently used go first. */
export interface PartitionCache {
  /** A new empty folder for one piece of work, on the cache's file system; the caller removes it. */
  readonly workFolder: () => Promise<string>
  /** Puts the content at `path` by a hard link, which outlives the entry; false when it is not here. */
  readonly linkTo: (sha256: string, path: string) => Promise<boolean>
  /** Puts `content` at `path`, and keeps it for later as far as there is room. */
  readonly store: (sha256: string, content: Uint8Array, path: string) => Promise<void>
  /** Forgets content that turned out to be unreadable. */
  readonly drop: (sha256: string) => Promise<void>
  /** Bytes that the entries take, without what is in work folders. */
  readonly bytes: () => number
}

const workPrefix = "work-"
const suffix = ".parquet"

/** A cache in `folder`, which belongs to this process alone: leftovers of an earlier one are removed. */
export const open = async (folder: string, bytesMax: number): Promise<PartitionCache> => {
  await mkdir(folder, { recursive: true })
  // A Map keeps the order of insertion: the first entry is the one that was not used for longest.
  const entries = await existing(folder)
  let total = 0
  for (const entry of entries.values()) total += entry.bytes
  let count = 0
  const pathOf = (sha256: string): string => join(folder, sha256 + suffix)

  const drop = async (sha256: string): Promise<void> => {
    const entry = entries.get(sha256)
    if (entry === undefined) return
    entries.delete(sha256)
    total -= entry.bytes
    await rm(pathOf(sha256), { force: true })
  }

  const shrink = async (): Promise<void> => {
    for (const sha256 of [...entries.keys()]) {
      if (total <= bytesMax) return
      await drop(sha256)
    }
  }
  await shrink()

  const workFolder = async (): Promise<string> => {
    const path = join(folder, `${workPrefix}${count++}`)
    await mkdir(path)
    return path
  }

  const linkTo = async (sha256: string, path: string): Promise<boolean> => {
    const entry = entries.get(sha256)
    if (entry === undefined) return false
    entries.delete(sha256)
    entries.set(sha256, entry)
    try {
      await link(pathOf(sha256), path)
      if (!entry.verified && hash("sha256", await readFile(path)) !== sha256) {
        await unlink(path)
        await drop(sha256)
        return false
      }
      entry.verified = true
      return true
    } catch (cause) {
      // Somebody cleared the cache: what is not here is fetched again.
      if (errnoOf(cause) !== "ENOENT") throw cause
      await drop(sha256)
      return false
    }
  }

  const store = async (sha256: string, content: Uint8Array, path: string): Promise<void> => {
    await writeFile(path, content)
    if (entries.has(sha256) || content.byteLength > bytesMax) return
    const temporary = `${path}.cached`
    await link(path, temporary)
    await rename(temporary, pathOf(sha256))
    // Two queries may have fetched it at the same time: it is counted once.
    if (!entries.has(sha256)) total += content.byteLength
    entries.set(sha256, { bytes: content.byteLength, verified: true })
    await shrink()
  }

  return { workFolder, linkTo, store, drop, bytes: () => total }
}

const existing = async (folder: string): Promise<Map<string, Entry>> => {
  const found: Array<{ readonly sha256: string; readonly bytes: number; readonly mtimeMs: number }> = []
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    if (name.startsWith(workPrefix)) await rm(path, { recursive: true, force: true })
    if (!/^[0-9a-f]{64}\.parquet$/.test(name)) continue
    const stats = await stat(path)
    found.push({ sha256: name.slice(0, -suffix.length), bytes: stats.size, mtimeMs: stats.mtimeMs })
  }
  found.sort((left, right) => left.mtimeMs - right.mtimeMs)
  return new Map(found.map(({ bytes, sha256 }) => [sha256, { bytes, verified: false }]))
}
