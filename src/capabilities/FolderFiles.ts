import { createHash } from "node:crypto"
import { type BigIntStats, constants } from "node:fs"
import { type FileHandle, lstat, mkdir, open, readlink, realpath, rename, stat, unlink } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import type { FolderRow } from "./folderClassification.ts"
import { nameTaken, notAFile, rootMissing, vanished } from "./folderClassification.ts"

/** A situation that the file system does not report as an error of its own. */
export class FolderFault extends Error {
  readonly row: FolderRow
  constructor(row: FolderRow, message: string, options?: ErrorOptions) {
    super(message, options)
    this.row = row
  }
}

/** A file's version mark: size, modification time and inode; any replacement or edit changes it. */
export const etagOf = (stats: BigIntStats): string =>
  `${stats.size.toString(16)}-${stats.mtimeNs.toString(16)}-${stats.ino.toString(16)}`

/** Errors by which Node says that a path leads nowhere. */
export const leadsNowhere = (cause: unknown): boolean => ["ENOENT", "ENOTDIR"].includes(errnoOf(cause) ?? "")

/** The error's code (`ENOENT`), if it is an error of the system. */
export const errnoOf = (cause: unknown): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

/** The real path of a store's root. The root itself may be a link: the operator chose it. */
export const realRoot = async (path: string): Promise<string> => {
  try {
    const root = await realpath(path)
    if ((await stat(root)).isDirectory()) return root
  } catch (cause) {
    if (leadsNowhere(cause)) throw new FolderFault(rootMissing, `${path} does not exist`, { cause })
    throw cause
  }
  throw new FolderFault(rootMissing, `${path} is not a folder`)
}

/**
 * The path of `key` below `root`, after a look at each folder on the way: a symbolic link anywhere is refused, also one
 * that points back inside, so that no link decides where a key leads.
 */
export const confined = async (root: string, key: string): Promise<string> => {
  const segments = key.split("/")
  let path = root
  for (const segment of segments.slice(0, -1)) {
    path = join(path, segment)
    refuseLink(path, await lstat(path, { bigint: true }))
  }
  return join(root, ...segments)
}

/** What lies at `key`, which must be a regular file and no link. */
export const statFile = async (root: string, key: string): Promise<BigIntStats> => {
  const path = await confined(root, key)
  const stats = await lstat(path, { bigint: true })
  refuseLink(path, stats)
  return regular(path, stats)
}

/** What lies at each of the keys that are regular files and no links; each folder on the way is looked at once. */
export const statFiles = async (
  root: string,
  keys: ReadonlyArray<string>
): Promise<ReadonlyArray<readonly [key: string, stats: BigIntStats]>> => {
  const folders = new Map<string, Promise<boolean>>([[".", Promise.resolve(true)]])
  const isFolder = (folder: string): Promise<boolean> => {
    const known = folders.get(folder)
    if (known !== undefined) return known
    const looked = isFolder(dirname(folder)).then(async (isBelow) => {
      if (!isBelow) return false
      return (await lstat(join(root, folder)).catch(() => null))?.isDirectory() === true
    })
    folders.set(folder, looked)
    return looked
  }
  const found = await Promise.all(
    keys.map(async (key): Promise<ReadonlyArray<readonly [string, BigIntStats]>> => {
      if (!(await isFolder(dirname(key)))) return []
      const stats = await lstat(join(root, key), { bigint: true }).catch(() => null)
      return stats?.isFile() === true ? [[key, stats]] : []
    })
  )
  return found.flat()
}

/** Opens the regular file at `key` for reading, and makes sure that no folder was swapped for a link meanwhile. */
export const openFile = async (root: string, key: string): Promise<FileHandle> => {
  for (let tries = 0; tries < opensMax; tries++) {
    const path = await confined(root, key)
    // A pipe would block the open until somebody writes to it.
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const stats = regular(path, await handle.stat({ bigint: true }))
      if (await isStillAt(handle, stats, root, key, path)) return handle
    } catch (cause) {
      await handle.close()
      throw cause
    }
    // An honest writer has replaced it meanwhile, too: then it is opened again.
    await handle.close()
  }
  throw new FolderFault(vanished, `${key} was replaced during each of ${opensMax} tries to open it`)
}

/** Tries to open a file that is replaced all the time. */
const opensMax = 100

const isStillAt = async (
  handle: FileHandle,
  stats: BigIntStats,
  root: string,
  key: string,
  path: string
): Promise<boolean> => {
  const real = await realPathOf(handle)
  if (real !== null) return real === path
  const now = await lstat(await confined(root, key), { bigint: true })
  return now.ino === stats.ino && now.dev === stats.dev
}

/** Where the kernel says that an open file lies now; null where it does not say (only Linux does). */
const realPathOf = (handle: FileHandle): Promise<string | null> =>
  readlink(`/proc/self/fd/${handle.fd}`).catch(() => null)

/**
 * Changes the entry of `path` in its folder, and makes the change durable. `use` gets a path that leads through the
 * open folder, so that the change lands there even if the folder is swapped for a link at this instant (on Linux).
 */
const inFolderOf = async (path: string, use: (path: string) => Promise<void>): Promise<void> => {
  const parent = dirname(path)
  const folder = await open(parent, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    const real = await realPathOf(folder)
    if (real !== null && real !== parent) throw new FolderFault(vanished, `${parent} was swapped during a write`)
    await use(real === null ? path : `/proc/self/fd/${folder.fd}/${basename(path)}`)
    await folder.sync()
  } finally {
    await folder.close()
  }
}

export interface Written {
  readonly bytes: number
  readonly etag: string
  readonly sha256: string
}

/**
 * Replaces the object at `key`: temporary file in the store's own folder, fsync, rename, fsync of the folder. After a
 * crash at any point there are the old bytes or the new ones. Nothing is renamed once `signal` is aborted.
 */
export const replaceFile = async (
  root: string,
  key: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  signal: AbortSignal
): Promise<Written> => {
  try {
    return await writeAndRename(root, key, chunks, signal)
  } catch (cause) {
    // A write makes what it needs, so a path that leads nowhere was taken away meanwhile; no object is "missing".
    if (leadsNowhere(cause)) throw new FolderFault(vanished, `a folder vanished while ${key} was written`, { cause })
    throw cause
  }
}

const writeAndRename = async (
  root: string,
  key: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  signal: AbortSignal
): Promise<Written> => {
  await makeParents(root, `${temporaryFolder}/x`)
  const [temporary, handle] = await openTemporary(root)
  try {
    const hash = createHash("sha256")
    let stats: BigIntStats
    try {
      for await (const chunk of chunks) {
        hash.update(chunk)
        await handle.writeFile(chunk)
        signal.throwIfAborted()
      }
      await handle.sync()
      stats = await handle.stat({ bigint: true })
    } finally {
      await handle.close()
    }
    await makeParents(root, key)
    await inFolderOf(await confined(root, key), async (path) => {
      await refuseLinkAt(path)
      signal.throwIfAborted()
      await rename(temporary, path).catch((cause: unknown) => {
        if (!nameTaken.errnos.includes(errnoOf(cause) ?? "")) throw cause
        throw new FolderFault(nameTaken, `${key} is a folder`, { cause })
      })
    })
    return { bytes: Number(stats.size), etag: etagOf(stats), sha256: hash.digest("hex") }
  } catch (cause) {
    await unlink(temporary).catch(() => undefined)
    throw cause
  }
}

/** Removes the object at `key`, if there is one. */
export const removeFile = async (root: string, key: string): Promise<void> => {
  try {
    await statFile(root, key)
    await inFolderOf(await confined(root, key), unlink)
  } catch (cause) {
    if (!leadsNowhere(cause) && errnoOf(cause) !== "EISDIR") throw cause
  }
}

/** Where unfinished writes lie, below the root: on the same file system, so that a rename can move them. */
export const temporaryFolder = ".kintsugi/tmp"

let temporaryCount = 0

/** The process id tells most names apart; processes of other machines on a shared disk are told apart by `wx`. */
const openTemporary = async (root: string): Promise<readonly [string, FileHandle]> => {
  const path = join(root, temporaryFolder, `${process.pid}-${temporaryCount++}`)
  try {
    return [path, await open(path, "wx")]
  } catch (cause) {
    if (errnoOf(cause) === "EEXIST") return openTemporary(root)
    throw cause
  }
}

/** Makes the folders above `key` one by one: a recursive mkdir would follow links. */
const makeParents = async (root: string, key: string): Promise<void> => {
  let path = root
  for (const segment of key.split("/").slice(0, -1)) {
    const parent = path
    path = join(path, segment)
    try {
      await mkdir(path)
      await syncFolder(parent)
    } catch (cause) {
      if (errnoOf(cause) !== "EEXIST") throw cause
      const stats = await lstat(path, { bigint: true })
      refuseLink(path, stats)
      if (!stats.isDirectory()) throw new FolderFault(nameTaken, `${path} is an object, not a folder`, { cause })
    }
  }
}

const regular = (path: string, stats: BigIntStats): BigIntStats => {
  if (stats.isFile()) return stats
  if (stats.isDirectory()) throw Object.assign(new Error(`EISDIR: ${path} is a folder`), { code: "EISDIR", path })
  throw new FolderFault(notAFile, `${path} is not a regular file`)
}

const refuseLink = (path: string, stats: BigIntStats): void => {
  if (stats.isSymbolicLink()) {
    throw Object.assign(new Error(`ELOOP: ${path} is a symbolic link`), { code: "ELOOP", path })
  }
}

const refuseLinkAt = async (path: string): Promise<void> => {
  const stats = await lstat(path, { bigint: true }).catch((cause: unknown) => {
    if (errnoOf(cause) === "ENOENT") return null
    throw cause
  })
  if (stats !== null) refuseLink(path, stats)
}

const syncFolder = async (path: string): Promise<void> => {
  const handle = await open(path, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
