import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { execFileSync } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import { chmod, mkdir, readdir, rename, rm, unlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as FolderStore from "../../src/capabilities/FolderStore.ts"
import { bytes, fixture, io, outcome, temporary } from "./folderFixture.ts"

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
