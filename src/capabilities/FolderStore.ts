import { Clock, Effect } from "effect"
import { lstat, mkdir, readdir, unlink } from "node:fs/promises"
import { join } from "node:path"
import type { Failure } from "../domain/Failure.ts"
import { classify, type FolderRow } from "./folderClassification.ts"
import {
  errnoOf,
  etagOf,
  FolderFault,
  leadsNowhere,
  openFile,
  realRoot,
  removeFile,
  replaceFile,
  statFile,
  statFiles,
  temporaryFolder
} from "./FolderFiles.ts"
import { walk } from "./FolderListing.ts"
import * as GuardedStore from "./GuardedStore.ts"
import { markerKey } from "./ObjectKey.ts"
import { objectBytesMax, type ObjectInfo, type ObjectStore, StoreError, type StoreProbe } from "./ObjectStore.ts"

/** Age at which an unfinished write of a process that died is removed, in ms. */
const temporaryAgeMaxMs = 60 * 60 * 1000

/**
 * A store in the folder at `path` (absolute). Confined to it: keys are checked, and links below the root are refused.
 * The confinement is against keys and links that lie there, not against a process that swaps folders at this instant.
 */
export const make = Effect.fn("FolderStore.make")(function* (name: string, path: string) {
  const attempt = <A>(
    key: string | undefined,
    run: (root: string, signal: AbortSignal) => Promise<A>
  ): Effect.Effect<A, StoreError> =>
    Effect.tryPromise({
      try: async (signal) => {
        const root = await realRoot(path)
        try {
          return await run(root, signal)
        } catch (cause) {
          // What is said of an object is only believed while the root answers; it may have gone meanwhile.
          await realRoot(path)
          throw cause
        }
      },
      catch: (cause) => toStoreError(name, key, cause)
    })

  const removeLeftovers = yield* Effect.cached(
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      attempt(undefined, (root) => removeTemporariesBefore(root, now - temporaryAgeMaxMs))
    )
  )

  const replace = (key: string, chunks: (root: string) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>) =>
    Effect.andThen(
      Effect.ignore(removeLeftovers),
      attempt(key, (root, signal) => replaceFile(root, key, chunks(root), signal))
    )

  const probe: Effect.Effect<StoreProbe, StoreError> = attempt(undefined, async (root) => {
    try {
      await statFile(root, markerKey)
      return { status: "ready" }
    } catch (cause) {
      if (leadsNowhere(cause)) return { status: "wiped" }
      throw cause
    }
  })

  const driver: ObjectStore = {
    name,
    type: "folder",
    readBytes: (key) => attempt(key, (root) => readFile(root, key)),
    write: (key, bytes) =>
      Effect.map(
        replace(key, () => [bytes]),
        (written) => ({ store: name, key, ...written })
      ),
    stat: (key) =>
      attempt(key, async (root) => {
        const stats = await statFile(root, key)
        return { key, bytes: Number(stats.size), etag: etagOf(stats) }
      }),
    statMany: (keys) =>
      attempt(undefined, async (root) => {
        const stats = await statFiles(root, keys)
        return stats.map(([key, found]) => ({ key, bytes: Number(found.size), etag: etagOf(found) }))
      }),
    list: (prefix, limit) =>
      attempt(undefined, async (root, signal) => {
        const found: Array<ObjectInfo> = []
        for await (const info of walk(root, prefix)) {
          signal.throwIfAborted()
          found.push(info)
          if (found.length === limit) break
        }
        return found
      }),
    delete: (key) => attempt(key, (root) => removeFile(root, key)),
    copy: (fromKey, toKey) =>
      Effect.map(
        Effect.andThen(
          // Asked first, so that an absent source is told by its own key.
          attempt(fromKey, (root) => statFile(root, fromKey)),
          replace(toKey, (root) => chunksOf(root, fromKey))
        ),
        (written) => ({ key: toKey, ...written })
      ),
    probe,
    ensureMarker: Effect.gen(function* () {
      yield* Effect.tryPromise({
        try: () => mkdir(path, { recursive: true }),
        catch: (cause) => toStoreError(name, undefined, cause)
      })
      const { status } = yield* probe
      if (status === "wiped") yield* replace(markerKey, () => [Buffer.from(`${JSON.stringify({ store: name })}\n`)])
    })
  }
  return GuardedStore.make(driver)
})

const toStoreError = (store: string, key: string | undefined, cause: unknown): StoreError => {
  const row: FolderRow = cause instanceof FolderFault ? cause.row : classify(errnoOf(cause))
  const failure: Failure = {
    class: row.class,
    code: row.code,
    message: cause instanceof Error ? cause.message : String(cause),
    store,
    ...(key === undefined ? {} : { key }),
    capability: "folder"
  }
  return new StoreError({ failure, cause })
}

const readFile = async (root: string, key: string): Promise<Uint8Array<ArrayBuffer>> => {
  const handle = await openFile(root, key)
  try {
    const { size } = await handle.stat()
    if (size > objectBytesMax) throw new FolderFault(tooLarge, `${size} bytes, the limit is ${objectBytesMax}`)
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}

const tooLarge: FolderRow = { situation: "too large to read", errnos: [], class: "permanent", code: "too_large" }

async function* chunksOf(root: string, key: string): AsyncGenerator<Uint8Array> {
  const handle = await openFile(root, key)
  // The stream closes the handle, also when the reader stops early.
  for await (const chunk of handle.createReadStream()) yield chunk
}

const removeTemporariesBefore = async (root: string, timeMs: number): Promise<void> => {
  const folder = join(root, temporaryFolder)
  for (const entry of await readdir(folder)) {
    const path = join(folder, entry)
    const stats = await lstat(path)
    if (stats.isFile() && stats.mtimeMs < timeMs) await unlink(path)
  }
}
