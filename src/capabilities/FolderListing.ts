import type { Dirent } from "node:fs"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { confined, etagOf, leadsNowhere, statFile } from "./FolderFiles.ts"
import * as ObjectKey from "./ObjectKey.ts"
import type { ObjectInfo } from "./ObjectStore.ts"

/** Objects below `root` whose key starts with `prefix`, by key in byte order; links are no objects. */
export async function* walk(root: string, prefix: string): AsyncGenerator<ObjectInfo> {
  const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1)
  yield* walkFolder(root, folder, prefix)
}

async function* walkFolder(root: string, folder: string, prefix: string): AsyncGenerator<ObjectInfo> {
  for (const entry of await entries(root, folder)) {
    const path = folder + entry.name
    if (!`${path}/`.startsWith(prefix) && !prefix.startsWith(`${path}/`)) continue
    if (ObjectKey.fault(path) !== null || ObjectKey.isHidden(path)) continue
    if (entry.isDirectory()) yield* walkFolder(root, `${path}/`, prefix)
    else if (entry.isFile() && path.startsWith(prefix)) {
      const info = await infoOf(root, path)
      if (info !== null) yield info
    }
  }
}

/** A folder's entries in the order of the keys below them, so that a walk that stops early has the first ones. */
const entries = async (root: string, folder: string): Promise<ReadonlyArray<Dirent>> => {
  try {
    const found = await readdir(join(await confined(root, `${folder}x`), ".."), { withFileTypes: true })
    return found
      .map((entry) => ({ entry, order: Buffer.from(entry.isDirectory() ? `${entry.name}/` : entry.name) }))
      .sort((left, right) => Buffer.compare(left.order, right.order))
      .map(({ entry }) => entry)
  } catch (cause) {
    // Gone since its parent was read, or never there: it holds no objects.
    if (leadsNowhere(cause)) return []
    throw cause
  }
}

const infoOf = async (root: string, key: string): Promise<ObjectInfo | null> => {
  try {
    const stats = await statFile(root, key)
    return { key, bytes: Number(stats.size), etag: etagOf(stats) }
  } catch (cause) {
    if (leadsNowhere(cause)) return null
    throw cause
  }
}
