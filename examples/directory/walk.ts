import { PermanentFailure } from "kintsugi"
import type { Stats } from "node:fs"
import { lstat, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import type { Found, FoundDirectory, FoundFile, Issue } from "./scan.ts"

/** Entries between two signs of life. */
const entriesPerBeat = 1_000

/**
 * Walks a folder, breadth first and in the order of names, up to `maxEntries` files and folders. Symbolic links are
 * skipped: they lead out of the folder, or around in it. What cannot be read is an issue and not a failure; only a root
 * that is no folder, or cannot be listed, is.
 */
export const walk = async (
  root: string,
  maxEntries: number,
  options: { readonly signal: AbortSignal; readonly heartbeat: (entries: number) => void }
): Promise<Found> => {
  const files: Array<FoundFile> = []
  const directories: Array<FoundDirectory> = []
  const issues: Array<Issue> = []
  const open: Array<string> = [""]
  const noted = async <A>(relativePath: string, work: () => Promise<A>): Promise<A | undefined> => {
    try {
      return await work()
    } catch (cause) {
      issues.push({ relativePath, message: codeOf(cause) })
      return undefined
    }
  }
  await checkRoot(root)
  // The array grows while it is walked: what is found is looked into after what was found before.
  for (const folder of open) {
    const path = join(root, folder)
    const listed =
      folder === "" ? await readdir(path).catch(unreadable(root)) : await noted(folder, () => readdir(path))
    for (const name of (listed ?? []).sort()) {
      options.signal.throwIfAborted()
      const relativePath = folder === "" ? name : `${folder}/${name}`
      const found: Stats | undefined = await noted(relativePath, () => lstat(join(root, relativePath)))
      if (found === undefined || !(found.isFile() || found.isDirectory())) continue
      const entries = files.length + directories.length
      if (entries >= maxEntries) return { files, directories, issues, truncated: true }
      if (entries % entriesPerBeat === 0) options.heartbeat(entries)
      if (found.isDirectory()) {
        directories.push({ relativePath })
        open.push(relativePath)
      } else files.push({ relativePath, size: found.size, modifiedAt: Math.floor(found.mtimeMs) })
    }
  }
  return { files, directories, issues, truncated: false }
}

const checkRoot = async (root: string): Promise<void> => {
  const found = await stat(root).catch(unreadable(root))
  if (!found.isDirectory()) throw new PermanentFailure(`scanDir ${root} must be a folder`)
}

const unreadable =
  (root: string) =>
  (cause: unknown): never => {
    const message = `scanDir ${root} must be a folder that can be read (${codeOf(cause)})`
    throw new PermanentFailure({ message, cause })
  }

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : String(cause)
