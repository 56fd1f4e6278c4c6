import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, type Scope } from "effect"
import { execFileSync } from "node:child_process"
import { openSync, closeSync } from "node:fs"
import {
  chmod,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  symlink,
  unlink,
  utimes,
  writeFile
} from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as FolderStore from "../../src/capabilities/FolderStore.ts"
import type { ObjectStore, StoreError } from "../../src/capabilities/ObjectStore.ts"
import { live, objectStoreContract, registerContract } from "./objectStoreContract.ts"

const bytes = (content: string) => new TextEncoder().encode(content)
const io = <A>(run: () => Promise<A>) => Effect.promise(run)

const temporary: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  io(async () => realpath(await mkdtemp(join(tmpdir(), "kintsugi-folder-")))),
  (path) => io(() => rm(path, { recursive: true, force: true }))
)

interface Fixture {
  readonly store: ObjectStore
  readonly root: string
  /** A folder beside the root, with `secret.txt` in it. */
  readonly outside: string
}

const fixture: Effect.Effect<Fixture, never, Scope.Scope> = Effect.gen(function* () {
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

const outcome = (attempt: Effect.Effect<unknown, StoreError>) =>
  Effect.map(Effect.flip(attempt), ({ failure }) => `${failure.class} ${failure.code}`)

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

  it.live("an interrupted write leaves the old bytes and no temporary file", () =>
    Effect.gen(function* () {
      const { root, store } = yield* fixture
      yield* store.write("x", bytes("old"))
      const fiber = yield* Effect.forkChild(store.write("x", new Uint8Array(64 * 1024 * 1024)))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      yield* Effect.sleep("500 millis")
      assert.strictEqual((yield* store.readBytes("x")).byteLength, 3)
      assert.deepStrictEqual(yield* io(() => readdir(join(root, ".kintsugi/tmp"))), [])
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
      const swapper = yield* Effect.forkChild(Effect.forever(Effect.andThen(swap, Effect.sleep("1 millis"))))
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

describe("folder errors, each from the real file system", () => {
  const asUser = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    process.geteuid?.() === 0
      ? Effect.acquireUseRelease(
          Effect.sync(() => process.seteuid?.(65534)),
          () => effect,
          () => Effect.sync(() => process.seteuid?.(0))
        )
      : effect

  it.live("a missing root is store_unavailable, for every use, and never asset_missing (F3)", () =>
    Effect.gen(function* () {
      const { root, store } = yield* fixture
      yield* store.write("x", bytes("1"))
      yield* io(() => rename(root, `${root}-unmounted`))
      const uses = [store.readBytes("x"), store.stat("x"), store.write("x", bytes("2")), store.delete("x")]
      for (const use of [...uses, store.list("", 1), store.copy("x", "y"), store.probe]) {
        assert.strictEqual(yield* outcome(use), "store_unavailable root_missing")
      }
      yield* io(() => writeFile(root, "a file where the root was"))
      for (const use of uses) assert.strictEqual(yield* outcome(use), "store_unavailable root_missing")
      yield* io(async () => {
        await unlink(root)
        await rename(`${root}-unmounted`, root)
      })
      assert.deepStrictEqual(yield* store.probe, { status: "ready" })
    })
  )

  it.live("a root that lost its marker is wiped, until it is accepted", () =>
    Effect.gen(function* () {
      const { root, store } = yield* fixture
      yield* io(async () => {
        await rm(root, { recursive: true })
        await mkdir(root)
      })
      assert.deepStrictEqual(yield* store.probe, { status: "wiped" })
      yield* store.ensureMarker
      assert.deepStrictEqual(yield* store.probe, { status: "ready" })
    })
  )

  it.live("ENOENT, ENOTDIR and EISDIR: no such object", () =>
    Effect.gen(function* () {
      const { root, store } = yield* fixture
      yield* store.write("file", bytes("1"))
      yield* io(() => mkdir(join(root, "folder")))
      for (const key of ["none", "none/deeper", "file/below", "folder"]) {
        assert.strictEqual(yield* outcome(store.readBytes(key)), "asset_missing not_found", key)
        assert.strictEqual(yield* outcome(store.stat(key)), "asset_missing not_found", key)
        yield* store.delete(key)
      }
    })
  )

  it.live("EACCES: access denied", () =>
    Effect.gen(function* () {
      const { root, store } = yield* fixture
      yield* store.write("private/x", bytes("1"))
      yield* io(async () => {
        // The user that takes over must reach the root, and nothing below it.
        await chmod(join(root, ".."), 0o755)
        await chmod(join(root, "private"), 0o000)
      })
      assert.strictEqual(yield* asUser(outcome(store.readBytes("private/x"))), "permanent access_denied")
      yield* io(() => chmod(join(root, "private"), 0o755))
    })
  )

  it.live("ENAMETOOLONG: a name that the disk does not take", () =>
    Effect.gen(function* () {
      const { store } = yield* fixture
      assert.strictEqual(yield* outcome(store.write("n".repeat(300), bytes("1"))), "permanent invalid_key")
    })
  )

  it.live("a folder and an object of one name: the write is refused", () =>
    Effect.gen(function* () {
      const { store } = yield* fixture
      yield* store.write("a/b", bytes("1"))
      assert.strictEqual(yield* outcome(store.write("a", bytes("1"))), "permanent name_taken")
      assert.strictEqual(yield* outcome(store.write("a/b/c", bytes("1"))), "permanent name_taken")
    })
  )

  it.live("a pipe is no object, and opening it does not hang", () =>
    Effect.gen(function* () {
      const { root, store } = yield* fixture
      execFileSync("mkfifo", [join(root, "pipe")])
      assert.strictEqual(yield* outcome(store.readBytes("pipe")), "permanent not_a_file")
    })
  )

  it.live("a folder that vanishes during a write is worth another try, not a missing asset", () =>
    Effect.gen(function* () {
      const { root, store } = yield* fixture
      const wiper = yield* Effect.forkChild(
        Effect.forever(
          io(async () => {
            for (const name of await readdir(root)) await rm(join(root, name), { recursive: true, force: true })
          }).pipe(Effect.catchCause(() => Effect.void))
        )
      )
      const seen = new Set<string>()
      for (let round = 0; round < 5_000 && !seen.has("transient vanished"); round++) {
        seen.add(
          yield* Effect.match(store.write(`d${round}/e/x`, bytes("1")), {
            onSuccess: () => "written",
            onFailure: ({ failure }) => `${failure.class} ${failure.code}`
          })
        )
      }
      yield* Fiber.interrupt(wiper)
      seen.delete("written")
      assert.deepStrictEqual([...seen], ["transient vanished"])
    })
  )

  it.live("EMFILE: out of file descriptors is the store's trouble, and passes", () =>
    Effect.gen(function* () {
      const { store } = yield* fixture
      yield* store.write("x", bytes("1"))
      const limit = execFileSync("prlimit", [
        "--pid",
        String(process.pid),
        "--nofile",
        "--raw",
        "--noheadings",
        "-o",
        "SOFT"
      ])
      const soft = limit.toString().trim()
      const held: Array<number> = []
      // Nothing in between may need a descriptor, so the limit is set and reached without a pause.
      execFileSync("prlimit", ["--pid", String(process.pid), `--nofile=${256}:`])
      try {
        for (;;) held.push(openSync("/dev/null", "r"))
      } catch {
        assert(held.length > 0)
      }
      const found = yield* outcome(store.readBytes("x"))
      for (const descriptor of held) closeSync(descriptor)
      execFileSync("prlimit", ["--pid", String(process.pid), `--nofile=${soft}:`])
      assert.strictEqual(found, "store_unavailable too_many_open_files")
      assert.strictEqual((yield* store.readBytes("x")).byteLength, 1)
    })
  )

  it.live("EIO: a disk that fails to read", () =>
    Effect.gen(function* () {
      // Reading a process's memory at address 0 is an I/O error, in a regular file of a folder without links.
      const store = yield* FolderStore.make("proc", `/proc/${process.pid}`)
      assert.strictEqual(yield* outcome(store.readBytes("mem")), "store_unavailable io_error")
    })
  )
})

// A file system of its own needs the right to mount; everywhere else the kernel's /dev/full and friends have no folder.
describe.runIf(process.geteuid?.() === 0)("folder errors that need a file system of their own", () => {
  const mounted = Effect.acquireRelease(
    Effect.flatMap(temporary, (path) =>
      Effect.sync(() => {
        execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "kintsugi-test", path])
        return path
      })
    ),
    (path) => Effect.sync(() => execFileSync("umount", [path]))
  )

  it.live("ENOSPC: a full disk is the store's trouble, and the object keeps its old bytes", () =>
    Effect.gen(function* () {
      const root = yield* mounted
      const store = yield* FolderStore.make("small", root)
      yield* store.ensureMarker
      yield* store.write("x", bytes("old"))
      assert.strictEqual(yield* outcome(store.write("x", new Uint8Array(1024 * 1024))), "store_unavailable disk_full")
      assert.strictEqual((yield* store.readBytes("x")).byteLength, 3)
      assert.deepStrictEqual(yield* io(() => readdir(join(root, ".kintsugi/tmp"))), [])
    })
  )

  it.live("EROFS: a disk that was remounted read-only", () =>
    Effect.gen(function* () {
      const root = yield* mounted
      const store = yield* FolderStore.make("small", root)
      yield* store.ensureMarker
      execFileSync("mount", ["-o", "remount,ro", root])
      assert.strictEqual(yield* outcome(store.write("x", bytes("1"))), "store_unavailable read_only")
    })
  )
})
