import { once } from "node:events"
import { createServer, request as send } from "node:http"
import { symlinkSync, rmSync } from "node:fs"
import { join } from "node:path"
import { CreateBucketCommand, DeleteObjectCommand, S3Client } from "@aws-sdk/client-s3"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { keyOf, makes, stepFor, uses } from "../support/chainApp.ts"
import { ended, eventsOf, play, ran, recoveries, start, stepIs, stepOf, succeeded } from "../support/engine.ts"
import * as Fauxqs from "../support/fauxqs.ts"

const workflows = {
  bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
  users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
}
const lakeAt = (endpoint: string) => ({
  settings: {
    stores: { lake: { type: "s3", bucket: "lake", endpoint, createBucket: true } as const },
    timestoreStore: undefined
  }
})
const client = (endpoint: string) =>
  new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: "test", secretAccessKey: "test" }
  })

/** In front of an S3 server: answers 500 to every request for the object that is named bad. */
const badObjectProxy = (targetPort: number) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const bad = { key: null as string | null }
      const server = createServer((incoming, response) => {
        if (bad.key !== null && (incoming.url ?? "").split("?")[0]!.endsWith(`/${bad.key}`)) {
          incoming.resume()
          response.writeHead(500).end()
          return
        }
        const { headers, method, url } = incoming
        const onward = send({ port: targetPort, host: "127.0.0.1", method, path: url, headers }, (answer) => {
          response.writeHead(answer.statusCode ?? 500, answer.headers)
          answer.pipe(response)
        })
        onward.on("error", () => response.destroy())
        incoming.pipe(onward)
      })
      await once(server.listen(0, "127.0.0.1"), "listening")
      const address = server.address()
      if (address === null || typeof address === "string") throw new Error("the proxy has no port")
      return { bad, server, endpoint: `http://127.0.0.1:${address.port}` }
    }),
    ({ server }) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )

describe("an S3 store", () => {
  it.live("F88 on S3: a deleted object is made again, and the step goes on", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const server = yield* Fauxqs.make
        yield* play({ jobs: [makes("base"), uses("base")], workflows, ...lakeAt(server.endpoint) }, () =>
          Effect.gen(function* () {
            yield* succeeded("bases", "p1")
            const command = new DeleteObjectCommand({ Bucket: "lake", Key: keyOf("base", "p1") })
            yield* Effect.promise(() => client(server.endpoint).send(command))
            yield* succeeded("users", "p1")
            assert.strictEqual((yield* recoveries)[0]!.via, "producer")
          })
        )
      })
    )
  )

  it.live("F3 F35 F90: killed and started again, it heals nothing, and every waiting step goes on", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const server = yield* Fauxqs.make
        yield* play({ jobs: [makes("base"), uses("base")], workflows, ...lakeAt(server.endpoint) }, () =>
          Effect.gen(function* () {
            yield* succeeded("bases", "p1")
            yield* server.kill
            const ids: Array<string> = []
            for (let count = 0; count < 10; count++) ids.push((yield* start("users", "p1")).id)
            ids.push((yield* start("bases", "p2")).id)
            yield* stepIs(ids[0]!, "use-base", "waiting")
            yield* stepIs(ids.at(-1)!, "make-base", "waiting")
            yield* server.start
            for (const id of ids) assert.strictEqual((yield* ended(id)).status, "succeeded")
            assert.deepStrictEqual(yield* recoveries, [])
            assert.deepStrictEqual(yield* eventsOf("run", "StepRetryScheduled"), [])
          })
        )
      })
    )
  )

  it.live(
    "F90: wiped, it is not healed while the bucket is missing; with the bucket back it is, after the settle time",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const server = yield* Fauxqs.make
          yield* play({ jobs: [makes("base"), uses("base")], workflows, ...lakeAt(server.endpoint) }, () =>
            Effect.gen(function* () {
              yield* succeeded("bases", "p1")
              yield* server.wipe
              const { id } = yield* start("users", "p1")
              yield* stepIs(id, "use-base", "waiting")
              assert.deepStrictEqual(yield* recoveries, [])
              yield* Effect.promise(() => client(server.endpoint).send(new CreateBucketCommand({ Bucket: "lake" })))
              assert.strictEqual((yield* ended(id)).status, "succeeded")
              assert.deepStrictEqual(
                (yield* recoveries).map(({ status, via }) => [status, via]),
                [["succeeded", "producer"]]
              )
            })
          )
        })
      )
  )

  it.live("F3: one object's 5xx is that object's transient failure: it costs retries, and the store stays open", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const server = yield* Fauxqs.make
        const proxy = yield* badObjectProxy(server.port)
        yield* play({ jobs: [makes("base"), uses("base")], workflows, ...lakeAt(proxy.endpoint) }, () =>
          Effect.gen(function* () {
            const engine = yield* Engine
            yield* succeeded("bases", "bad")
            yield* succeeded("bases", "good")
            proxy.bad.key = keyOf("base", "bad")
            const run = yield* ran("users", "bad")
            assert.strictEqual(run.status, "failed")
            assert.strictEqual(run.failure?.class, "transient")
            assert.strictEqual(run.failure?.code, "server_error")
            assert.strictEqual(stepOf(run, "use-base").attempt, 3)
            yield* succeeded("users", "good")
            assert.deepStrictEqual(
              (yield* engine.stores).map(({ status }) => status),
              ["ready"]
            )
            assert.deepStrictEqual(yield* recoveries, [])
          })
        )
      })
    )
  )
})

describe("a folder store", () => {
  it.live(
    "F8: an object that may not be read fails the step at once with the real reason, and waits for no store",
    () =>
      play({ jobs: [makes("base"), uses("base")], workflows }, (folder) =>
        Effect.gen(function* () {
          yield* succeeded("bases")
          rmSync(join(folder, "lake", "base.txt"))
          symlinkSync("/etc/hostname", join(folder, "lake", "base.txt"))
          const run = yield* ran("users")
          assert.strictEqual(run.failure?.class, "permanent")
          assert.strictEqual(run.failure?.code, "symlink_refused")
          assert.deepStrictEqual(yield* eventsOf("run", "StepSuspended"), [])
        })
      )
  )
})
