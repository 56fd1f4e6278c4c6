import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { FetchHttpClient, HttpClient, HttpClientResponse } from "effect/http"
import { GetObjectCommand, HeadObjectCommand, S3Client } from "@aws-sdk/client-s3"
import { DuckDBInstance } from "@duckdb/node-api"
import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import { connect } from "node:net"
import { promisify } from "node:util"
import { classifyUnknown } from "../../src/capabilities/classifyUnknown.ts"
import { classifyStatus, rows } from "../../src/capabilities/httpClassification.ts"
import { StoreError } from "../../src/capabilities/ObjectStore.ts"
import { Fauxqs } from "../support/fauxqs.ts"
import * as HttpStub from "./httpStub.ts"

/** What a promise rejects with. */
const thrownBy = (run: () => Promise<unknown>): Effect.Effect<unknown> =>
  Effect.promise(() =>
    run().then(
      () => Promise.reject(new Error("it should have failed")),
      (cause: unknown) => cause
    )
  )

const stubAnswering = (status: number): Effect.Effect<HttpStub.HttpStub, never, Scope.Scope> =>
  Effect.tap(HttpStub.make, (stub) =>
    Effect.sync(() => stub.answer((_request, response) => void response.writeHead(status).end()))
  )

describe("HTTP statuses of services that are not stores (F2)", () => {
  const expected: ReadonlyArray<readonly [number, string]> = [
    [404, "asset_missing"],
    [410, "asset_missing"],
    [408, "transient"],
    [425, "transient"],
    [429, "transient"],
    [500, "transient"],
    [502, "transient"],
    [503, "transient"],
    [504, "transient"],
    [301, "permanent"],
    [400, "permanent"],
    [401, "permanent"],
    [403, "permanent"],
    [409, "permanent"],
    [422, "permanent"]
  ]

  it.live("each status has its class, as the HTTP client reports it", () =>
    Effect.gen(function* () {
      const stub = yield* HttpStub.make
      for (const [status, failureClass] of expected) {
        stub.answer((_request, response) => void response.writeHead(status).end())
        const url = `${stub.endpoint}/item`
        const cause = yield* HttpClient.get(url).pipe(
          Effect.flatMap(HttpClientResponse.filterStatusOk),
          Effect.flip,
          Effect.provide(FetchHttpClient.layer)
        )
        const failure = classifyUnknown(cause)
        assert.deepStrictEqual([failure.class, failure.status], [failureClass, status])
        assert.strictEqual(failure.url, url)
      }
      for (const row of rows)
        assert(
          expected.some(([status]) => classifyStatus(status) === row),
          row.code
        )
    })
  )

  it("a success is no failure", () => {
    assert.strictEqual(classifyStatus(200), undefined)
    assert.strictEqual(classifyUnknown({ status: 200, message: "odd" }).code, "unrecognized")
  })

  it("finds status and URL where HTTP clients put them", () => {
    const shapes: ReadonlyArray<object> = [
      { status: 404, url: "http://a/x" },
      { statusCode: 404, options: { url: "http://a/x" } },
      { response: { status: 404, url: "http://a/x" } },
      { response: { statusCode: 404 }, request: { url: "http://a/x" } },
      { response: { status: 404 }, config: { url: "http://a/x" } },
      { reason: { response: { status: 404, request: {} } }, request: { url: new URL("http://a/x") } }
    ]
    for (const shape of shapes) {
      const { class: failureClass, status, url } = classifyUnknown(Object.assign(new Error("not found"), shape))
      assert.deepStrictEqual([failureClass, status, url], ["asset_missing", 404, "http://a/x"])
    }
  })
})

describe("whatever a job throws", () => {
  it.live("ENOENT of node:fs is asset_missing and keeps its path (F2, F4, T27)", () =>
    Effect.gen(function* () {
      const cause = yield* thrownBy(() => readFile("/nonexistent/2024-01.csv"))
      const failure = classifyUnknown(cause)
      assert.deepStrictEqual(failure, {
        class: "asset_missing",
        code: "not_found",
        message: "ENOENT: no such file or directory, open '/nonexistent/2024-01.csv'",
        key: "/nonexistent/2024-01.csv"
      })
    })
  )

  it.live("a missing program and a missing socket are no assets", () =>
    Effect.gen(function* () {
      const program = yield* thrownBy(() => promisify(execFile)("/nonexistent/program"))
      assert.deepStrictEqual(
        [classifyUnknown(program).class, (program as { code: string }).code],
        ["transient", "ENOENT"]
      )
      const socket = yield* thrownBy(
        () => new Promise((_resolve, reject) => connect("/nonexistent/socket").on("error", reject))
      )
      assert.deepStrictEqual(
        [classifyUnknown(socket).class, (socket as { code: string }).code],
        ["transient", "ENOENT"]
      )
    })
  )

  it("NODE_NOT_FOUND is asset_missing, as an Error and as a plain object (F2)", () => {
    for (const thrown of [
      Object.assign(new Error("node is gone"), { code: "NODE_NOT_FOUND", nodeId: "n-1" }),
      { code: "NODE_NOT_FOUND", message: "node is gone", nodeId: "n-1" }
    ]) {
      const failure = classifyUnknown(thrown)
      assert.deepStrictEqual([failure.class, failure.code, failure.key], ["asset_missing", "node_not_found", "n-1"])
    }
  })

  it.live("DuckDB's missing file is asset_missing and keeps its pattern; a wrong query is permanent (F2)", () =>
    Effect.gen(function* () {
      const instance = yield* Effect.promise(() => DuckDBInstance.create(":memory:"))
      const connection = yield* Effect.promise(() => instance.connect())
      const missing = yield* thrownBy(() => connection.run("SELECT * FROM read_parquet('/nonexistent/*.parquet')"))
      const failure = classifyUnknown(missing)
      assert.deepStrictEqual([failure.class, failure.key], ["asset_missing", "/nonexistent/*.parquet"])
      const wrong = yield* thrownBy(() => connection.run("SELECT 'Snappy 404 HTTP'::INT"))
      assert.deepStrictEqual(
        [classifyUnknown(wrong).class, classifyUnknown(wrong).code],
        ["permanent", "invalid_query"]
      )
      instance.closeSync()
    })
  )

  it("DuckDB's 404 behind a URL is asset_missing, and its other HTTP errors are not (F2)", () => {
    const missing = new Error('HTTP Error: Unable to connect to URL "http://a/x.parquet": 404 (Not Found).')
    assert.strictEqual(classifyUnknown(missing).class, "asset_missing")
    const away = new Error('HTTP Error: Unable to connect to URL "http://a/x.parquet": 503 (Service Unavailable).')
    assert.strictEqual(classifyUnknown(away).class, "transient")
  })

  it.live("fetch that finds nobody is transient, with both messages", () =>
    Effect.gen(function* () {
      const failure = classifyUnknown(yield* thrownBy(() => fetch("http://127.0.0.1:1/")))
      assert.strictEqual(failure.class, "transient")
      assert.include(failure.message, "fetch failed")
    })
  )

  it.live("an abort and a time-out of the platform are transient", () =>
    Effect.gen(function* () {
      const stub = yield* stubAnswering(200)
      stub.answer(() => undefined)
      const aborted = yield* thrownBy(() => fetch(stub.endpoint, { signal: AbortSignal.abort() }))
      assert.strictEqual(classifyUnknown(aborted).code, "aborted")
      const late = yield* thrownBy(() => fetch(stub.endpoint, { signal: AbortSignal.timeout(20) }))
      assert.strictEqual(classifyUnknown(late).code, "timed_out")
    })
  )

  it("an error that wraps a recognized one is classified by the one inside, and keeps both messages", () => {
    const inside = Object.assign(new Error("ENOENT: no such file"), { code: "ENOENT", path: "/data/x.csv" })
    const failure = classifyUnknown(new Error("load failed", { cause: new Error("step 2", { cause: inside }) }))
    assert.deepStrictEqual([failure.class, failure.key], ["asset_missing", "/data/x.csv"])
    assert.strictEqual(failure.message, "load failed: ENOENT: no such file")
  })

  it("a store's error keeps its classification", () => {
    const failure = { class: "corrupt", code: "checksum_mismatch", message: "m", store: "s", key: "k" } as const
    assert.deepStrictEqual(classifyUnknown(new StoreError({ failure, cause: new Error("m") })), failure)
  })

  it("anything else is transient and keeps its text, whatever it is", () => {
    const circular: { self?: unknown } = {}
    circular.self = circular
    const looped = new Error("looped")
    Object.assign(looped, { cause: looped })
    const thrown: ReadonlyArray<readonly [unknown, string]> = [
      [new Error("disk on fire"), "disk on fire"],
      [new TypeError(""), "TypeError"],
      ["just text", "just text"],
      [undefined, "undefined"],
      [null, "null"],
      [42, "42"],
      [{ reason: "no" }, '{"reason":"no"}'],
      [circular, "[object Object]"],
      [looped, "looped"]
    ]
    for (const [value, message] of thrown) {
      assert.deepStrictEqual(classifyUnknown(value), { class: "transient", code: "unrecognized", message })
    }
  })

  it("a message is fit for the log: no NUL, no broken surrogate, bounded", () => {
    const { message } = classifyUnknown(new Error(`a\u0000b\ud800${"x".repeat(100_000)}`))
    assert(message.startsWith("a\\0b\ufffdx"))
    assert(message.length < 10_000)
  })
})

layer(Fauxqs.layer, { excludeTestServices: true })("S3 errors of a job's own client", (it) => {
  it.effect("NoSuchKey and HEAD's NotFound are asset_missing; a missing bucket is not (F2)", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* Fauxqs
      const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true })
      const send = (command: GetObjectCommand) => thrownBy(() => client.send(command))
      yield* Effect.promise(() => fetch(`${endpoint}/own`, { method: "PUT" }))
      const missing = classifyUnknown(yield* send(new GetObjectCommand({ Bucket: "own", Key: "x" })))
      assert.deepStrictEqual([missing.class, missing.status], ["asset_missing", 404])
      const head = yield* thrownBy(() => client.send(new HeadObjectCommand({ Bucket: "own", Key: "x" })))
      assert.strictEqual(classifyUnknown(head).class, "asset_missing")
      const bucket = classifyUnknown(yield* send(new GetObjectCommand({ Bucket: "no-such", Key: "x" })))
      assert.deepStrictEqual([bucket.class, bucket.code], ["transient", "bucket_missing"])
      client.destroy()
    })
  )
})
