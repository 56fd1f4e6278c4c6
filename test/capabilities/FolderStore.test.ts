import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { link, mkdir, readdir, readFile, rename, rm, symlink, unlink, utimes, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as FolderStore from "../../src/capabilities/FolderStore.ts"
import type { ObjectStore, StoreError } from "../../src/capabilities/ObjectStore.ts"
import { bytes, type Fixture, fixture, io, outcome } from "./folderFixture.ts"
import { live, objectStoreContract, registerContract } from "./objectStoreContract.ts"

describe("a folder store", () => {
  registerContract(objectStoreContract(Effect.map(fixture, ({ store }) => store)), live)

  it.live("leaves nothing behind but the object, and removes what a dead process left", () =>
    Effect.gen(function* () {
      const { root, store } = yield* fixture
      const left = join(root, ".kintsugi/tmp/1-1")
      const fresh = join(root, ".kintsugi/tmp/1-2")
      yield* io(async () => {
        await mkdir(join(root, ".kintsugi/tmp"), { recursive: true })
        await writeFile(left, "half")
        await writeFile(fresh, "of a living process")
        await utimes(left, 1, 1)
      })
      // The leftovers are looked for once a process, so by a store of its own.
      const restarted = yield* FolderStore.make("inbox", root)
      yield* restarted.write("x", bytes("1"))
      yield* store.write("y", bytes("1"))
      assert.deepStrictEqual(yield* io(() => readdir(join(root, ".kintsugi/tmp"))), ["1-2"])
    })
  )

  it.live("lists in byte order of the whole keys, whatever the disk's own order is", () =>
    Effect.gen(function* () {
      const { store } = yield* fixture
      const keys = ["Z", "a", "a!", "a.b/c", "a0", "b/c", "b0/c", "z", "é", "日", "😀"]
      yield* Effect.forEach([...keys].reverse(), (key) => store.write(key, bytes(key)))
      assert.deepStrictEqual(
        (yield* store.list("", 100)).map(({ key }) => key),
        keys
      )
    })
  )

  it.live("says of many keys at once what it says of each, and leaves out what needs a proper look", () =>
    Effect.gen(function* () {
      const { root, store } = yield* fixture
      for (const key of ["a/b/x", "a/y", "z"]) yield* store.write(key, bytes(key))
      yield* io(async () => {
        await mkdir(join(root, "folder"))
        await symlink(join(root, "z"), join(root, "link"))
        await symlink(join(root, "a"), join(root, "linked"))
      })
      const keys = ["a/b/x", "a/y", "z", "gone", "gone/x", "folder", "link", "linked/y", "../z", "a/y/x"]
      const found = yield* store.statMany!(keys)
      const alone = yield* Effect.forEach(["a/b/x", "a/y", "z"], (key) => store.stat(key))
      assert.deepStrictEqual([...found], alone)
    })
  )

  it.live("an interrupted write leaves the old bytes and no temporary file", () =>
    Effect.gen(function* () {
      const { root, store } = yield* fixture
      yield* store.write("x", bytes("old"))
      const fiber = yield* Effect.forkChild(store.write("x", new Uint8Array(64 * 1024 * 1024)))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      // The write that was under way ends in the kernel, whenever a busy disk lets it; then it is tidied up.
      yield* Effect.repeat(
        io(() => readdir(join(root, ".kintsugi/tmp"))),
        {
          until: (left) => left.length === 0,
          schedule: Schedule.spaced("50 millis")
        }
      ).pipe(Effect.timeout("20 seconds"))
      assert.strictEqual((yield* store.readBytes("x")).byteLength, 3)
    })
  )

  it.live("a store's root may be a link, which the operator chose", () =>
    Effect.gen(function* () {
      const { outside, root } = yield* fixture
      yield* io(() => symlink(root, join(outside, "link")))
      const linked = yield* FolderStore.make("linked", join(outside, "link"))
      yield* linked.write("x", bytes("1"))
      assert.strictEqual(yield* io(() => readFile(join(root, "x"), "utf8")), "1")
    })
  )

  it.live("a hard link's content is the store's, and is replaced without touching the other name", () =>
    Effect.gen(function* () {
      const { outside, root, store } = yield* fixture
      yield* io(() => link(join(outside, "secret.txt"), join(root, "linked")))
      yield* store.write("linked", bytes("mine"))
      assert.strictEqual(yield* io(() => readFile(join(outside, "secret.txt"), "utf8")), "secret")
    })
  )
})

describe("the confinement of a folder store", () => {
  const everyUse = (store: ObjectStore, key: string): ReadonlyArray<Effect.Effect<unknown, StoreError>> => [
    store.readBytes(key),
    store.stat(key),
    store.write(key, bytes("escaped")),
    store.copy(key, "copied"),
    store.delete(key)
  ]

  const untouched = ({ outside }: Fixture) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* io(() => readdir(outside)), ["secret.txt"])
      assert.strictEqual(yield* io(() => readFile(join(outside, "secret.txt"), "utf8")), "secret")
    })

  it.live("a file that is a link is refused, read and written, absolute and relative", () =>
    Effect.gen(function* () {
      const made = yield* fixture
      const { outside, root, store } = made
      yield* io(async () => {
        await symlink(join(outside, "secret.txt"), join(root, "absolute"))
        await symlink("../outside/secret.txt", join(root, "relative"))
        await symlink("nowhere", join(root, "dangling"))
        await writeFile(join(root, "inside.txt"), "x")
        await symlink("inside.txt", join(root, "inwards"))
      })
      for (const key of ["absolute", "relative", "dangling", "inwards"]) {
        for (const use of everyUse(store, key))
          assert.strictEqual(yield* outcome(use), "permanent symlink_refused", key)
      }
      yield* store.write("real", bytes("x"))
      assert.strictEqual(yield* outcome(store.copy("real", "absolute")), "permanent symlink_refused")
      assert.deepStrictEqual(
        (yield* store.list("", 10)).map(({ key }) => key),
        ["inside.txt", "real"]
      )
      yield* untouched(made)
    })
  )

  it.live("a folder that is a link is refused at any depth, also for keys that are not there", () =>
    Effect.gen(function* () {
      const made = yield* fixture
      const { outside, root, store } = made
      yield* io(async () => {
        await mkdir(join(root, "a/b"), { recursive: true })
        await symlink(outside, join(root, "out"))
        await symlink("../../../outside", join(root, "a/b/out"))
        await symlink("a", join(root, "inwards"))
        await symlink("loop", join(root, "loop"))
      })
      for (const folder of ["out", "a/b/out", "inwards", "loop"]) {
        for (const key of [`${folder}/secret.txt`, `${folder}/new.txt`, `${folder}/new/deeper.txt`]) {
          for (const use of everyUse(store, key)) {
            assert.strictEqual(yield* outcome(use), "permanent symlink_refused", key)
          }
        }
        assert.strictEqual(yield* outcome(store.list(`${folder}/`, 10)), "permanent symlink_refused")
      }
      assert.deepStrictEqual(yield* store.list("", 10), [])
      yield* untouched(made)
    })
  )

  it.live("the runtime's own folders may not be links either", () =>
    Effect.gen(function* () {
      const made = yield* fixture
      const { outside, root, store } = made
      yield* io(async () => {
        await rm(join(root, ".kintsugi"), { recursive: true })
        await symlink(outside, join(root, ".kintsugi"))
      })
      assert.strictEqual(yield* outcome(store.write("x", bytes("1"))), "permanent symlink_refused")
      assert.strictEqual(yield* outcome(store.probe), "permanent symlink_refused")
      yield* untouched(made)
    })
  )

  it.live("a folder that is swapped for a link after its first use is refused from then on", () =>
    Effect.gen(function* () {
      const made = yield* fixture
      const { outside, root, store } = made
      yield* store.write("day/secret.txt", bytes("inside"))
      yield* io(async () => {
        await rename(join(root, "day"), join(root, "moved"))
        await symlink(outside, join(root, "day"))
      })
      for (const use of everyUse(store, "day/secret.txt")) {
        assert.strictEqual(yield* outcome(use), "permanent symlink_refused")
      }
      yield* untouched(made)
    })
  )

  it.live("a folder that is swapped again and again never lets a read out", () =>
    Effect.gen(function* () {
      const { outside, root, store } = yield* fixture
      yield* store.write("day/secret.txt", bytes("inside"))
      const swap = io(async () => {
        await rename(join(root, "day"), join(root, "aside"))
        await symlink(outside, join(root, "day"))
        await unlink(join(root, "day"))
        await rename(join(root, "aside"), join(root, "day"))
      })
      // The pause lets some reads find the folder in its place; the rest meet the link at any point on their way.
      const swapper = yield* Effect.forkChild(
        // To its end: what goes on swapping would be in the way of the folder's own removal.
        Effect.forever(Effect.andThen(Effect.uninterruptible(swap), Effect.sleep("1 millis")))
      )
      let read = 0
      for (let round = 0; round < 2_000; round++) {
        const content = yield* Effect.option(store.readBytes("day/secret.txt"))
        if (content._tag === "None") continue
        read++
        assert.strictEqual(new TextDecoder().decode(content.value), "inside")
      }
      yield* Fiber.interrupt(swapper)
      assert(read > 0, "some reads must have found the folder in its place")
    })
  )
})
