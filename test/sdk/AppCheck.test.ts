import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { type App, defineApp, defineJob, defineWorkflow } from "../../src/index.ts"
import { isDefinedApp } from "../../src/sdk/App.ts"
import { type CheckedApp, cacheBytesDefault, checkApp } from "../../src/sdk/AppCheck.ts"

const load = defineJob({ slug: "load", run: () => ({ result: { rows: 3 } }) })
const orders = defineWorkflow({ slug: "orders", steps: [{ id: "load", jobSlug: "load" }] })

const checked = (app: App): CheckedApp => Result.getOrThrow(checkApp(defineApp(app)))

/** An app module is JavaScript in the end: what it exports may have any shape. */
const faults = (app: unknown): ReadonlyArray<string> => {
  const result = checkApp(defineApp(app as App))
  assert(Result.isFailure(result), "expected faults")
  return result.failure.problems.map(({ path }) => path)
}

describe("checking an app", () => {
  it("keeps jobs by slug and fills every default of the workflows", () => {
    const app = checked({ stores: { inbox: { type: "folder", path: "in" } }, jobs: [load], workflows: [orders] })

    assert.deepStrictEqual([...app.jobs.keys()], ["load"])
    assert.strictEqual(app.workflows[0]?.steps[0]?.retryPolicy.maxAttempts, 4)
    assert.deepStrictEqual(app.timestore, { store: "inbox", cacheBytes: cacheBytesDefault })
  })

  it("accepts an empty app", () => {
    assert.strictEqual(checked({}).jobs.size, 0)
  })

  it("accepts jobs that answer a value, a promise or an Effect", () => {
    const app = checked({
      jobs: [
        defineJob({ slug: "value", run: () => ({}) }),
        defineJob<{ day: string }>({
          slug: "promise",
          run: async ({ parameters }) => ({ result: { at: parameters.day } })
        }),
        defineJob({ slug: "effect", run: () => Effect.succeed({ status: "succeeded" }) }),
        defineJob({ slug: "nothing", run: () => {} })
      ]
    })
    assert.strictEqual(app.jobs.size, 4)
  })

  it("writes the timestore to the store of that name, else to the only one, else nowhere", () => {
    const folder = { type: "folder", path: "x" } as const
    assert.strictEqual(checked({ stores: { a: folder, timestore: folder } }).timestore.store, "timestore")
    assert.strictEqual(checked({ stores: { a: folder } }).timestore.store, "a")
    assert.strictEqual(checked({ stores: { a: folder, b: folder } }).timestore.store, undefined)
    assert.strictEqual(checked({ stores: { a: folder, b: folder }, timestore: { store: "b" } }).timestore.store, "b")
  })

  it("names every unknown field and every wrong value at once", () => {
    assert.sameMembers(
      [
        ...faults({
          stores: { a: { type: "folder", pat: "x" }, "b/": { type: "folder", path: "x" }, c: { type: "ftp" } },
          jobs: [{ slug: "Load", run: 3, retries: 1 }],
          workflows: [{ slug: "orders", steps: [], owner: "me" }, 3],
          timestore: { store: "a", cacheBytes: 3 },
          plugins: []
        })
      ],
      [
        "stores.a.pat",
        "stores.a.path",
        'stores["b/"]',
        "stores.c",
        "jobs[0].slug",
        "jobs[0].run",
        "jobs[0].retries",
        "workflows[0].steps",
        "workflows[0].owner",
        "workflows[1]",
        "timestore.cacheBytes",
        "plugins"
      ]
    )
  })

  it("names duplicate slugs, unknown jobs, cycles and a timestore in a store that is not defined", () => {
    const cyclic = [
      { id: "a", jobSlug: "load", dependsOn: ["b"] },
      { id: "b", jobSlug: "load", dependsOn: ["a"] }
    ]
    const found = faults({
      jobs: [load, load],
      workflows: [
        orders,
        orders,
        { slug: "other", steps: [{ id: "x", jobSlug: "gone" }] },
        { slug: "round", steps: cyclic }
      ],
      timestore: { store: "nowhere" }
    })
    assert.includeMembers(
      [...found],
      ["jobs[1].slug", "workflows[1].slug", "workflows[2].steps[0].jobSlug", "timestore.store"]
    )
    assert(found.some((path) => path.startsWith("workflows[3].steps")))
  })

  it("a part of the wrong shape does not hide what is wrong with the others", () => {
    assert.sameMembers(
      [
        ...faults({
          stores: { a: { type: "ftp" } },
          jobs: [load, load, { slug: "Bad" }],
          workflows: [
            { slug: "one", owner: "me", steps: [{ id: "x", jobSlug: "gone", dependsOn: ["y"] }] },
            {
              slug: "one",
              steps: [
                { id: "x", jobSlug: "load", timeoutMs: 0 },
                { id: "x", jobSlug: "load" }
              ]
            }
          ],
          timestore: { store: "nowhere", size: 1 }
        })
      ],
      [
        "stores.a",
        "jobs[2].slug",
        "jobs[2].run",
        "jobs[1].slug",
        "workflows[0].owner",
        "workflows[0].steps[0].jobSlug",
        "workflows[0].steps[0].dependsOn[0]",
        "workflows[1].steps[0].timeoutMs",
        "workflows[1].steps[1].id",
        "workflows[1].slug",
        "timestore.size",
        "timestore.store"
      ]
    )
    assert.deepStrictEqual(faults({ jobs: 3, workflows: [orders] }), ["jobs"])
  })

  it("takes hosts that http steps may ask, and names those that are none", () => {
    const allow = ["localhost:8080", "*.internal.example", "[::1]:80"]
    assert.deepStrictEqual(checked({ http: { allow } }).http, { allow })
    assert.deepStrictEqual(checked({}).http, { allow: [] })
    assert.deepStrictEqual(faults({ http: { allow: ["a", "http://b/"], deny: [] } }), ["http.deny", "http.allow[1]"])
  })

  it("takes how assets are checked, and names what of it cannot be", () => {
    const integrity = {
      intervalMs: 60_000,
      assetsPerSecond: 50,
      deep: true,
      window: { from: "22:00", to: "06:00", timezone: "Europe/Berlin" },
      toleranceMs: 0,
      escalateAfter: 5
    }
    assert.deepStrictEqual(checked({ integrity }).integrity, integrity)
    const wrong = { assetsPerSecond: 0, window: { from: "24:00", to: "06:00" }, often: true }
    assert.deepStrictEqual([...faults({ integrity: wrong })].sort(), [
      "integrity.assetsPerSecond",
      "integrity.often",
      "integrity.window.from"
    ])
  })

  it("knows what came through defineApp, whichever copy of the module made it", () => {
    assert.isTrue(isDefinedApp(defineApp({})))
    assert.isTrue(isDefinedApp({ [Symbol.for("kintsugi/App")]: true }))
    assert.isFalse(isDefinedApp({ jobs: [] }))
    assert.isFalse(isDefinedApp(null))
  })

  it("keeps sources with their defaults, and refuses what could not be asked, each with path and rule", () => {
    const made = { ...orders, steps: [{ ...orders.steps[0]!, produces: [{ assetId: "orders.raw" }] }] }
    const source = (assetId: string, recheck: object) => ({ assetId, recheck })
    const headers = { Authorization: { env: "ERP_TOKEN", prefix: "Bearer " } }
    const app = checked({
      jobs: [load],
      workflows: [made],
      sources: [
        { assetId: "erp.orders", recheck: { webhook: "https://erp.example/exports", headers } },
        { assetId: "erp.items", recheck: { workflow: "orders" }, recovery: { maxAttempts: 5 } }
      ]
    })
    assert.deepStrictEqual(
      app.sources.map(({ recovery }) => recovery),
      [
        { maxAttempts: 3, attemptTimeoutMs: 600_000 },
        { maxAttempts: 5, attemptTimeoutMs: 600_000 }
      ]
    )

    const refused = checkApp(
      defineApp({
        jobs: [load],
        workflows: [made],
        sources: [
          source("a", {}),
          source("b", { workflow: "orders", webhook: "https://erp.example" }),
          source("c", { workflow: "exports" }),
          source("d", { webhook: "erp.example" }),
          source("e", { webhook: "ftp://erp.example" }),
          source("f", { webhook: "https://user:password@erp.example" }),
          source("A", { workflow: "orders" }),
          source("Orders.Raw", { workflow: "orders" }),
          source("g", { workflow: "orders", headers }),
          source("h", { webhook: "https://erp.example", headers: { "X-Key": { env: "DATABASE_URL" } } }),
          source("i", { webhook: "https://erp.example", method: "PUT" }),
          source("not an id", { workflow: "orders" })
        ]
      } as App)
    )
    assert(Result.isFailure(refused), "expected faults")
    const found = refused.failure.problems.map(({ message, path }) => `${path} ${message}`)
    for (const expected of [
      "sources[0].recheck must have either workflow or webhook",
      "sources[1].recheck must have either workflow or webhook",
      'sources[2].recheck.workflow no workflow of the app is "exports"; there are: orders',
      "sources[3].recheck.webhook must be an absolute URL, such as https://erp.example/exports",
      "sources[4].recheck.webhook must begin with http:// or https://, not ftp:",
      "sources[5].recheck.webhook must not hold a user or password: use a header",
      'sources[6].assetId "A" is already the asset of sources[0]; asset ids are compared without case',
      'sources[7].assetId "Orders.Raw" is produced by workflow orders: a source comes from outside',
      "sources[8].recheck.headers are sent with a webhook's call only"
    ]) {
      assert.include(found, expected)
    }
    const paths = refused.failure.problems.map(({ path }) => path)
    assert.includeMembers(paths, ["sources[10].recheck.method", "sources[11].assetId"])
    assert.isTrue(paths.some((path) => path.startsWith("sources[9].recheck.headers")))
  })
})
