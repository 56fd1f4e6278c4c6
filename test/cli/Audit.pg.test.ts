import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Embedded from "../../src/postgres/Embedded.ts"
import * as Migrations from "../../src/postgres/Migrations.ts"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import { contents, history, keys } from "../audit/logs.ts"
import { clientOf, temporaryFolder } from "../support/postgres.ts"
import * as LogAccess from "../../src/cli/LogAccess.ts"
import { kintsugi } from "./kintsugi.ts"

const run = (...args: ReadonlyArray<string>) => Effect.promise(() => kintsugi(args))

/** PostgreSQL 15 of the distribution, where it is installed: then the log crosses three majors. */
const oldBin = "/usr/lib/postgresql/15/bin"
const source = Effect.gen(function* () {
  const dataDir = yield* temporaryFolder
  const server = yield* Embedded.start({ dataDir, ...(existsSync(oldBin) ? { binDir: oldBin } : {}) })
  const context = yield* Layer.build(
    PgEventStore.layer.pipe(Layer.provideMerge(clientOf(server, server.database)))
  ).pipe(Effect.provide(Layer.effectDiscard(Migrations.run()).pipe(Layer.provide(clientOf(server, server.database)))))
  yield* Effect.provideContext(history, context)
  const url = `postgres://${server.username}@localhost/${server.database}?host=${server.socketDir}&port=${server.port}`
  return { context, url }
})

describe("export, import and verify as commands", () => {
  it.live(
    "carry a log with its signature to another PostgreSQL, where it verifies and replays",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const [ours, theirs] = [keys(), keys()]
        const [key, pub, other] = ["key.pem", "pub.pem", "other.pem"].map((name) => join(folder, name)) as [
          string,
          string,
          string
        ]
        writeFileSync(key, ours.privatePem)
        writeFileSync(pub, ours.publicPem)
        writeFileSync(other, theirs.publicPem)
        const { context, url } = yield* source
        const file = join(folder, "backup.ndjson")

        const exported = yield* run("export", file, "--sign", key, "--database-url", url)
        assert.strictEqual(exported.code, 0, exported.stderr)
        assert.match(
          exported.stdout,
          /^exported 6 events of 3 streams, root [0-9a-f]{64}, signed with key [0-9a-f]{16}\n/
        )
        assert.strictEqual(statSync(file).mode & 0o777, 0o600)
        const again = yield* run("export", file, "--database-url", url)
        assert.deepStrictEqual([again.code, again.stdout], [2, ""])
        assert.match(again.stderr, /backup\.ndjson: is there already/)
        const piped = yield* run("export", "-", "--sign", key, "--database-url", url)
        assert.lengthOf(piped.stdout.split("\n"), 12)

        const whole = yield* run("verify", "--export", file, "--key", pub)
        assert.match(whole.stdout, /^the export is whole: 6 events of 3 streams, .*, signed with the given key/)
        const elsewhere = yield* run("verify", "--export", file, "--key", other, "--json")
        assert.strictEqual(elsewhere.code, 1)
        assert.deepInclude(JSON.parse(elsewhere.stdout), { ok: false, line: 11 })
        const tampered = join(folder, "tampered.ndjson")
        writeFileSync(tampered, readFileSync(file, "utf8").replace('"C"', '"D"'))
        const found = yield* run("verify", "--export", tampered)
        assert.strictEqual(found.code, 1)
        assert.match(found.stderr, /tampered\.ndjson: line 6: version 3 of run-a does not have the hash/)

        const dataDir = join(folder, "target")
        const refused = yield* run("import", tampered, "--data-dir", dataDir)
        assert.strictEqual(refused.code, 1)
        assert.match(refused.stderr, /line 6/)
        const imported = yield* run("import", file, "--key", pub, "--data-dir", dataDir)
        assert.deepStrictEqual([imported.code, imported.stderr], [0, ""])
        assert.match(imported.stdout, /^imported 6 events of 3 streams, signed with the given key .*\n.*epoch 2\n$/)
        const twice = yield* run("import", file, "--data-dir", dataDir)
        assert.strictEqual(twice.code, 2)
        assert.match(twice.stderr, /import writes into an empty log/)

        const verified = yield* run("verify", "--projections", "--data-dir", dataDir)
        assert.strictEqual(verified.code, 0, verified.stderr + verified.stdout)
        assert.match(verified.stdout, /every hash chain holds: 3 streams with 6 events/)
        const replayed = yield* run("replay", "odd-ü", "--data-dir", dataDir, "--json")
        assert.strictEqual(JSON.parse(replayed.stdout).events.length, 2)
        const settings = { dataDir, databaseUrl: null, databaseSetting: "DATABASE_URL" }
        const target = yield* Effect.provide(contents, LogAccess.existing(settings)).pipe(Effect.scoped)
        assert.deepStrictEqual(target, yield* Effect.provideContext(contents, context))
      }).pipe(Effect.scoped),
    90_000
  )

  it.live(
    "say what is wrong with a key, a file or a position in one line",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const noKey = join(folder, "no.pem")
        writeFileSync(noKey, "nothing")
        const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
          [
            ["export", "-", "--sign", noKey, "--data-dir", folder],
            /^kintsugi: --sign: .*no\.pem must hold an Ed25519 private/
          ],
          [["export", "-", "--sign", join(folder, "none"), "--data-dir", folder], /--sign: .* cannot be read: ENOENT/],
          [["export", "-", "--after", "yesterday", "--data-dir", folder], /--after: must be a position/],
          [["verify", "--export", join(folder, "none")], /none: cannot be read: ENOENT/],
          [["verify", "--export", folder], /cannot be read: it is a folder/],
          [["verify", "--export", noKey, "--key", noKey], /--key: .* must hold an Ed25519 public key/],
          [["verify", "--export", noKey, "--projections"], /--projections: an exported file has no read models/],
          [["import", join(folder, "none"), "--data-dir", folder], /none: cannot be read: ENOENT/],
          [["rebuild"], /NAME: must be the name of a read model, or --all/]
        ]
        for (const [args, line] of cases) {
          const { code, stderr, stdout } = yield* run(...args)
          assert.match(stderr, line)
          assert.strictEqual(stderr.trimEnd().split("\n").length, 1)
          assert.deepStrictEqual([code, stdout], [2, ""], stderr)
        }
      }).pipe(Effect.scoped),
    60_000
  )
})
