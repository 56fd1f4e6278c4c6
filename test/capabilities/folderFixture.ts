import { Effect, type Scope } from "effect"
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as FolderStore from "../../src/capabilities/FolderStore.ts"
import type { ObjectStore, StoreError } from "../../src/capabilities/ObjectStore.ts"

export const bytes = (content: string) => new TextEncoder().encode(content)
export const io = <A>(run: () => Promise<A>) => Effect.promise(run)

export const temporary: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  io(async () => realpath(await mkdtemp(join(tmpdir(), "kintsugi-folder-")))),
  (path) => io(() => rm(path, { recursive: true, force: true }))
)

export interface Fixture {
  readonly store: ObjectStore
  readonly root: string
  /** A folder beside the root, with `secret.txt` in it. */
  readonly outside: string
}

export const fixture: Effect.Effect<Fixture, never, Scope.Scope> = Effect.gen(function* () {
  const folder = yield* temporary
  const root = join(folder, "root")
  const outside = join(folder, "outside")
  yield* io(async () => {
    await mkdir(outside)
    await writeFile(join(outside, "secret.txt"), "secret")
  })
  const store = yield* FolderStore.make("inbox", root)
  yield* Effect.orDie(store.ensureMarker)
  return { store, root, outside }
})

export const outcome = (attempt: Effect.Effect<unknown, StoreError>) =>
  Effect.map(Effect.flip(attempt), ({ failure }) => `${failure.class} ${failure.code}`)
