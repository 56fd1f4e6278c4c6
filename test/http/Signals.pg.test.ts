import { renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as AttentionWatch from "../../src/cli/AttentionWatch.ts"
import { AttentionReads } from "../../src/http/AttentionReads.ts"
import * as InventoryLive from "../../src/http/InventoryLive.ts"
import { ProjectionControl } from "../../src/http/ProjectionControl.ts"
import * as ReadsLive from "../../src/http/ReadsLive.ts"
import * as Server from "../../src/http/Server.ts"
import { defineJob, PermanentFailure } from "../../src/index.ts"
import { Deliveries } from "../../src/notify/Deliveries.ts"
import { atOnce } from "../integrity/support.ts"
import { makes, stepFor } from "../support/chainApp.ts"
import { playOn, ran, succeeded, until } from "../support/engine.ts"
import { layerPg } from "../support/pgEngine.ts"
import { TestServer } from "../support/postgres.ts"
import { send, token } from "./Harness.ts"

// biome-ignore lint/suspicious/noExplicitAny: an answer's JSON, of which each assertion says what it has to be
type Body = Record<string, any>

const play = playOn((given) =>
  Server.layer({ host: "127.0.0.1", port: 0, token: Redacted.make(token) }).pipe(
    Layer.provideMerge(ReadsLive.layer),
    Layer.provideMerge(Layer.mergeAll(InventoryLive.layer, AttentionReads.layer, Deliveries.layer(false))),
    Layer.provideMerge(Layer.mergeAll(AttentionWatch.layer, ProjectionControl.layer)),
    Layer.provideMerge(layerPg(given))
  )
)

const breaks = defineJob({
  slug: "breaks",
  run: () => {
    throw new PermanentFailure({ message: "no such column" })
  }
})
const scenario = {
  jobs: [makes("base"), breaks],
  workflows: {
    bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
    broken: { steps: [stepFor("breaks")] }
  },
  settings: atOnce
}

const get = (path: string) =>
  Effect.map(send("GET", path), ({ json, status, text }) => {
    assert.strictEqual(status, 200, text)
    return json as Body
  })
const data = (path: string) => Effect.map(get(`/api/v1${path}`), (body) => body.data as ReadonlyArray<Body>)

/** What each of the three says now, everywhere that it is said. */
const signals = Effect.gen(function* () {
  const attention = yield* data("/admin/attention?limit=200")
  const of = (...kinds: ReadonlyArray<string>) =>
    attention.filter(({ kind }) => kinds.includes(kind)).map(({ kind, reasonCode }) => `${kind} ${reasonCode}`)
  assert.sameMembers(
    attention.map(({ kind }) => kind),
    attention.map(({ kind }) => kind).filter((kind) => ["finding", "store", "run"].includes(kind))
  )
  const ready = yield* send("GET", "/readyz")
  const stores = (yield* data("/admin/stores")).filter(({ status }) => status !== "ready")
  const failed = yield* data("/runs?status=failed")
  const notes = (yield* data("/notifications")).filter(({ kind }) => kind === "step_failed")
  return {
    integrity: [
      ...(yield* data("/integrity/findings")).map(({ assetId, kind }) => `${assetId} ${kind}`),
      ...of("finding")
    ],
    health: [
      ...(ready.status === 200 ? [] : [ready.text]),
      ...stores.map(({ name, status }) => `${name} ${status}`),
      ...of("store")
    ],
    runtime: [
      ...failed.map(({ status, workflow }) => `${workflow} ${status}`),
      ...notes.map(({ message }) => String(message)),
      ...of("run")
    ]
  }
})

/** A whole check of what is declared, from its request to its end. */
const checked = Effect.gen(function* () {
  const standing = get("/api/v1/integrity/findings")
  const { generation } = yield* standing
  yield* send("POST", "/api/v1/integrity/checks")
  yield* until(standing, (body) => body.generation > generation && body.running === null, "the end of a check")
})

layer(TestServer.layer, { timeout: 120_000, excludeTestServices: true })(
  "what is wrong is said by one signal",
  (it) => {
    it.effect("F77: an object that is gone is a finding: the stores are ready, and no run has a fault", () =>
      play(
        scenario,
        Effect.fnUntraced(function* (folder) {
          yield* succeeded("bases")
          assert.deepStrictEqual(yield* signals, { integrity: [], health: [], runtime: [] })
          rmSync(join(folder, "lake", "base.txt"))
          yield* checked
          const said = yield* until(signals, ({ integrity }) => integrity.length > 0, "the finding")
          assert.deepStrictEqual(said, { integrity: ["base missing"], health: [], runtime: [] })
        })
      )
    )

    it.effect("F77: a store that does not answer is a matter of health: nothing in it is found missing", () =>
      play(
        scenario,
        Effect.fnUntraced(function* (folder) {
          yield* succeeded("bases")
          const lake = join(folder, "lake")
          renameSync(lake, `${lake}.away`)
          yield* checked
          const said = yield* until(signals, ({ health }) => health.length > 0, "the store")
          assert.deepStrictEqual(said, { integrity: [], health: ["lake unavailable"], runtime: [] })
          renameSync(`${lake}.away`, lake)
          yield* until(signals, ({ health }) => health.length === 0, "a store that is ready")
        })
      )
    )

    it.effect("F77: a job that throws is a fault of its run: nothing is found, and everything is healthy", () =>
      play(
        scenario,
        Effect.fnUntraced(function* () {
          yield* succeeded("bases")
          yield* ran("broken")
          yield* checked
          const said = yield* until(signals, ({ runtime }) => runtime.length === 3, "run, notification and attention")
          assert.deepStrictEqual(said, {
            integrity: [],
            health: [],
            runtime: ["broken failed", "Step failed", "run job_failed"]
          })
        })
      )
    )
  }
)
