import { S3Client, GetObjectCommand } from "@aws-sdk/client-s3"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber, type Scope } from "effect"
import type { ObjectStore, StoreError } from "../../src/capabilities/ObjectStore.ts"
import { objectBytesMax } from "../../src/capabilities/ObjectStore.ts"
import type { S3Timeouts } from "../../src/capabilities/S3Client.ts"
import * as S3Store from "../../src/capabilities/S3Store.ts"
import { classify, factsOf, rows } from "../../src/capabilities/s3Classification.ts"
import type { S3Config } from "../../src/capabilities/StoreConfig.ts"
import { Fauxqs, freePort, make as makeFauxqs } from "../support/fauxqs.ts"
import * as FaultProxy from "../support/faultProxy.ts"
import * as HttpStub from "./httpStub.ts"
import { objectStoreContract, registerContract } from "./objectStoreContract.ts"

const bytes = (content: string) => new TextEncoder().encode(content)
const impatient: S3Timeouts = { connectionTimeoutMs: 2_000, requestTimeoutMs: 2_000, socketTimeoutMs: 1_500 }

let buckets = 0

/** A store in a new bucket of the server at `endpoint`, with its marker. */
const storeAt = (endpoint: string, more: Partial<S3Config> = {}): Effect.Effect<ObjectStore, never, Scope.Scope> =>
  Effect.gen(function* () {
    const bucket = `bucket-${process.pid}-${buckets++}`
    const config: S3Config = { type: "s3", bucket, endpoint, createBucket: true, ...more }
    const store = yield* S3Store.make("warehouse", config, impatient)
    yield* Effect.orDie(store.ensureMarker)
    return store
  })

const inFauxqs = Effect.flatMap(Fauxqs, ({ endpoint }) => storeAt(endpoint))

/** A store whose server is the stub. */
const stubbed = Effect.gen(function* () {
  const stub = yield* HttpStub.make
  const store = yield* S3Store.make("warehouse", { type: "s3", bucket: "b", endpoint: stub.endpoint }, impatient)
  return { stub, store }
})

const outcome = (attempt: Effect.Effect<unknown, StoreError>) =>
  Effect.map(Effect.flip(attempt), ({ failure }) => `${failure.class} ${failure.code}`)

/** The marker's bytes: the store's root answers. */
const marker: HttpStub.Answer = (_request, response) => {
  response.writeHead(200, { "content-length": "2" }).end("{}")
}

const silent: HttpStub.Answer = () => undefined
const torn: HttpStub.Answer = (request) => void request.socket.resetAndDestroy()
const html: HttpStub.Answer = (_request, response) => {
  response.writeHead(502, { "content-type": "text/html" }).end("<html><h1>502 Bad Gateway</h1></html>")
}

/** What a read of one object comes to when the root answers, when nothing does, and what a stat comes to. */
const answered = (answer: HttpStub.Answer) =>
  Effect.gen(function* () {
    const { store, stub } = yield* stubbed
    stub.answer(HttpStub.unlessProbe(answer, marker))
    const alone = yield* outcome(store.readBytes("x"))
    const head = yield* outcome(store.stat("x"))
    stub.answer(answer)
    return { alone, head, everywhere: yield* outcome(store.readBytes("x")), probe: yield* outcome(store.probe) }
  })

layer(Fauxqs.layer, { excludeTestServices: true })("an S3 store", (it) => {
  registerContract(objectStoreContract(inFauxqs), (name, test) => it.effect(name, test))

  it.effect("keeps the digest of what it wrote, so that a stat tells it", () =>
    Effect.gen(function* () {
      const store = yield* inFauxqs
      const location = yield* store.write("x", bytes("1"))
      assert.strictEqual((yield* store.stat("x")).sha256, location.sha256)
    })
  )

  it.effect("two stores with prefixes share a bucket and do not see each other", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* Fauxqs
      const left = yield* storeAt(endpoint, { bucket: "shared", prefix: "left" })
      const right = yield* storeAt(endpoint, { bucket: "shared", prefix: "/right/" })
      yield* left.write("x", bytes("left"))
      assert.strictEqual((yield* Effect.flip(right.stat("x"))).failure.class, "asset_missing")
      yield* right.write("x", bytes("right!"))
      assert.strictEqual((yield* left.readBytes("x")).byteLength, 4)
      assert.deepStrictEqual(
        (yield* left.list("", 10)).map(({ key }) => key),
        ["x"]
      )
      const copied = yield* left.copy("x", "y")
      assert.strictEqual(copied.bytes, 4)
    })
  )

  it.effect("lists more than one page", () =>
    Effect.gen(function* () {
      const store = yield* inFauxqs
      const keys = Array.from({ length: 1_050 }, (_, index) => `k/${String(index).padStart(5, "0")}`)
      yield* Effect.forEach(keys, (key) => store.write(key, bytes("1")), { concurrency: 16, discard: true })
      assert.deepStrictEqual(
        (yield* store.list("k/", 2_000)).map(({ key }) => key),
        keys
      )
      assert.strictEqual((yield* store.list("k/", 1_010)).length, 1_010)
    })
  )

  it.effect("a bucket that was never used is wiped, not ready", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* Fauxqs
      yield* storeAt(endpoint, { bucket: "used", prefix: "one" })
      const unused = yield* S3Store.make("w", { type: "s3", bucket: "used", endpoint, prefix: "two" }, impatient)
      assert.deepStrictEqual(yield* unused.probe, { status: "wiped" })
    })
  )

  it.effect(
    "a missing bucket is store_unavailable for every use, and HEAD does not mistake it for an object (F3)",
    () =>
      Effect.gen(function* () {
        const { endpoint } = yield* Fauxqs
        const store = yield* S3Store.make("w", { type: "s3", bucket: "never-made", endpoint }, impatient)
        const uses = [store.readBytes("x"), store.stat("x"), store.write("x", bytes("1")), store.copy("x", "y")]
        for (const use of [...uses, store.list("", 1), store.probe, store.ensureMarker]) {
          assert.strictEqual(yield* outcome(use), "store_unavailable bucket_missing")
        }
      })
  )

  it.effect("a killed server is store_unavailable, and its objects are there when it is back (F3)", () =>
    Effect.gen(function* () {
      const server = yield* makeFauxqs
      const store = yield* storeAt(server.endpoint)
      yield* store.write("x", bytes("kept"))
      yield* server.kill
      const uses = [store.readBytes("x"), store.stat("x"), store.write("x", bytes("1")), store.delete("x"), store.probe]
      for (const use of uses) assert.strictEqual(yield* outcome(use), "store_unavailable connection_refused")
      yield* server.start
      assert.strictEqual((yield* store.readBytes("x")).byteLength, 4)
    })
  )

  it.effect("a wiped server lost its bucket: store_unavailable until the wipe is accepted, then empty", () =>
    Effect.gen(function* () {
      const server = yield* makeFauxqs
      const store = yield* storeAt(server.endpoint)
      yield* store.write("x", bytes("lost"))
      yield* server.wipe
      assert.strictEqual(yield* outcome(store.readBytes("x")), "store_unavailable bucket_missing")
      yield* store.ensureMarker
      assert.deepStrictEqual(yield* store.probe, { status: "ready" })
      assert.strictEqual(yield* outcome(store.readBytes("x")), "asset_missing not_found")
    })
  )

  it.effect("an interrupted request is aborted at the server too", () =>
    Effect.gen(function* () {
      const { store, stub } = yield* stubbed
      let closed = false
      stub.answer((request) => void request.socket.once("close", () => (closed = true)))
      const patient = yield* S3Store.make("w", { type: "s3", bucket: "b", endpoint: stub.endpoint })
      const fiber = yield* Effect.forkChild(patient.readBytes("x"))
      while (stub.requests.length === 0) yield* Effect.sleep("5 millis")
      yield* Fiber.interrupt(fiber)
      while (!closed) yield* Effect.sleep("5 millis")
      assert.deepStrictEqual(stub.requests, ["GET /b/x"])
      assert.strictEqual(store.type, "s3")
    })
  )

  it.effect("latency below the time-outs changes nothing, and the proxy recovers from each of its modes", () =>
    Effect.gen(function* () {
      const { port } = yield* Fauxqs
      const proxy = yield* FaultProxy.make(port)
      const store = yield* storeAt(`http://127.0.0.1:${proxy.port}`)
      yield* store.write("x", bytes("1"))
      for (const mode of ["refuse", "reset", "blackhole", { cutAfterBytes: 10 }] as const) {
        yield* proxy.setMode(mode)
        assert.strictEqual((yield* Effect.flip(store.readBytes("x"))).failure.class, "store_unavailable")
        yield* proxy.setMode("pass")
        assert.strictEqual((yield* Effect.retry(store.readBytes("x"), { times: 3 })).byteLength, 1)
      }
      yield* proxy.setMode({ latencyMs: 50 })
      assert.strictEqual((yield* store.readBytes("x")).byteLength, 1)
    })
  )

  describe("S3 errors, each row by the real error of the real client (F1, F2)", () => {
    const cases: Record<string, Effect.Effect<void, unknown, Fauxqs | Scope.Scope>> = {
      "we interrupted it": Effect.gen(function* () {
        const { endpoint } = yield* Fauxqs
        const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true })
        const command = new GetObjectCommand({ Bucket: "b", Key: "x" })
        const cause: unknown = yield* Effect.promise(() =>
          client.send(command, { abortSignal: AbortSignal.abort() }).catch((error: unknown) => error)
        )
        assert.strictEqual(classify(factsOf(cause, "request")).code, "aborted")
        client.destroy()
      }),
      "the body stops coming": Effect.gen(function* () {
        const { store, stub } = yield* stubbed
        stub.answer((_request, response) => void response.writeHead(200, { "content-length": "100000" }).write("half"))
        assert.strictEqual(yield* outcome(store.readBytes("x")), "transient stalled")
        assert.strictEqual(yield* outcome(store.probe), "store_unavailable stalled")
      }),
      "the body ends early": Effect.gen(function* () {
        const { port } = yield* Fauxqs
        const proxy = yield* FaultProxy.make(port)
        const store = yield* storeAt(`http://127.0.0.1:${proxy.port}`)
        yield* store.write("x", new Uint8Array(1024 * 1024))
        yield* proxy.setMode({ cutAfterBytes: 100_000 })
        assert.strictEqual(yield* outcome(store.readBytes("x")), "transient truncated")
      }),
      "the body does not have its checksum": Effect.gen(function* () {
        const { store, stub } = yield* stubbed
        for (const header of ["x-amz-checksum-crc32", "x-amz-meta-kintsugi-sha256"]) {
          stub.answer((_request, response) => void response.writeHead(200, { [header]: "AAAAAA==" }).end("changed"))
          assert.strictEqual(yield* outcome(store.readBytes("x")), "transient checksum_mismatch", header)
        }
      }),
      "too large to read": Effect.gen(function* () {
        const { store, stub } = yield* stubbed
        stub.answer((_request, response) => {
          response.writeHead(200, { "content-length": String(objectBytesMax + 1) }).flushHeaders()
        })
        assert.strictEqual(yield* outcome(store.readBytes("x")), "permanent too_large")
      }),
      "no such bucket": Effect.gen(function* () {
        const { endpoint } = yield* Fauxqs
        const store = yield* S3Store.make("w", { type: "s3", bucket: "no-such", endpoint }, impatient)
        assert.strictEqual(yield* outcome(store.readBytes("x")), "store_unavailable bucket_missing")
      }),
      "no such object": Effect.gen(function* () {
        assert.strictEqual(yield* outcome((yield* inFauxqs).readBytes("x")), "asset_missing not_found")
      }),
      "HEAD finds nothing, an object or the bucket": Effect.gen(function* () {
        assert.strictEqual(yield* outcome((yield* inFauxqs).stat("x")), "asset_missing not_found")
        // A proxy without a route, or any web server, answers 404 to everything: no object can be told missing by it.
        const found = yield* answered((_request, response) => void response.writeHead(404).end("<html>404</html>"))
        assert.strictEqual(found.everywhere, "store_unavailable not_found")
        assert.strictEqual(found.probe, "store_unavailable not_found")
      }),
      "the store asks to slow down": Effect.gen(function* () {
        const found = yield* answered(HttpStub.s3Error(503, "SlowDown"))
        assert.strictEqual(found.alone, "store_unavailable slow_down")
        const limited = yield* answered(HttpStub.s3Error(429, "TooManyRequests"))
        assert.strictEqual(limited.alone, "store_unavailable slow_down")
        assert.strictEqual(limited.head, "store_unavailable slow_down")
      }),
      "the credentials have expired": Effect.gen(function* () {
        const { store, stub } = yield* stubbed
        stub.answer(HttpStub.s3Error(400, "ExpiredToken"))
        for (const use of [store.readBytes("x"), store.stat("x"), store.write("x", bytes("1")), store.probe]) {
          assert.strictEqual(yield* outcome(use), "store_unavailable credentials_expired")
        }
      }),
      "the clocks differ too much": Effect.gen(function* () {
        const { store, stub } = yield* stubbed
        stub.answer(HttpStub.s3Error(403, "RequestTimeTooSkewed"))
        for (const use of [store.readBytes("x"), store.stat("x"), store.write("x", bytes("1")), store.probe]) {
          assert.strictEqual(yield* outcome(use), "store_unavailable clock_skew")
        }
      }),
      "the store waited too long for us": Effect.gen(function* () {
        const found = yield* answered(HttpStub.s3Error(400, "RequestTimeout"))
        assert.strictEqual(found.alone, "transient request_timeout")
        assert.strictEqual(found.everywhere, "store_unavailable request_timeout")
      }),
      "an error of the server": Effect.gen(function* () {
        const errors = [
          HttpStub.s3Error(503, "ServiceUnavailable"),
          HttpStub.s3Error(500, "InternalError"),
          HttpStub.s3Error(504, "GatewayTimeout"),
          html
        ]
        for (const error of errors) {
          const found = yield* answered(error)
          assert.strictEqual(found.alone, "transient server_error", "one bad object does not close a store")
          assert.strictEqual(found.head, "transient server_error")
          assert.strictEqual(found.everywhere, "store_unavailable server_error")
          assert.strictEqual(found.probe, "store_unavailable server_error")
        }
      }),
      "wrong access key or secret": Effect.gen(function* () {
        for (const code of ["InvalidAccessKeyId", "SignatureDoesNotMatch"]) {
          const found = yield* answered(HttpStub.s3Error(403, code))
          assert.strictEqual(found.alone, "permanent bad_credentials")
          assert.strictEqual(found.probe, "permanent bad_credentials")
        }
      }),
      archived: Effect.gen(function* () {
        assert.strictEqual((yield* answered(HttpStub.s3Error(403, "InvalidObjectState"))).alone, "permanent archived")
      }),
      "HEAD is refused, for whatever reason": Effect.gen(function* () {
        const found = yield* answered(HttpStub.s3Error(403, "AccessDenied"))
        assert.strictEqual(found.head, "permanent access_denied")
      }),
      "access denied": Effect.gen(function* () {
        const found = yield* answered(HttpStub.s3Error(403, "AccessDenied"))
        assert.strictEqual(found.alone, "permanent access_denied")
        assert.strictEqual(found.everywhere, "permanent access_denied")
        assert.strictEqual(found.probe, "permanent access_denied")
      }),
      "another region's bucket": Effect.gen(function* () {
        const found = yield* answered(HttpStub.s3Error(301, "PermanentRedirect"))
        assert.strictEqual(found.alone, "permanent wrong_region")
      }),
      "a condition failed": Effect.gen(function* () {
        const found = yield* answered(HttpStub.s3Error(412, "PreconditionFailed"))
        assert.strictEqual(found.alone, "permanent precondition_failed")
      }),
      "a range beyond the object": Effect.gen(function* () {
        assert.strictEqual((yield* answered(HttpStub.s3Error(416, "InvalidRange"))).alone, "permanent invalid_range")
      }),
      "any other refusal": Effect.gen(function* () {
        assert.strictEqual((yield* answered(HttpStub.s3Error(405, "MethodNotAllowed"))).alone, "permanent refused")
      }),
      "connection refused": Effect.gen(function* () {
        const port = yield* freePort
        const store = yield* S3Store.make("w", { type: "s3", bucket: "b", endpoint: `http://127.0.0.1:${port}` })
        for (const use of [store.readBytes("x"), store.stat("x"), store.probe]) {
          assert.strictEqual(yield* outcome(use), "store_unavailable connection_refused")
        }
      }),
      "no such host": Effect.gen(function* () {
        const store = yield* S3Store.make("w", { type: "s3", bucket: "b", endpoint: "http://kintsugi.invalid" })
        assert.strictEqual(yield* outcome(store.readBytes("x")), "store_unavailable unknown_host")
      }),
      "connection lost before the answer": Effect.gen(function* () {
        const found = yield* answered(torn)
        assert.strictEqual(found.alone, "transient connection_reset")
        assert.strictEqual(found.everywhere, "store_unavailable connection_reset")
        assert.strictEqual(found.probe, "store_unavailable connection_reset")
      }),
      "no answer in time": Effect.gen(function* () {
        const found = yield* answered(silent)
        assert.strictEqual(found.alone, "transient timed_out")
        assert.strictEqual(found.everywhere, "store_unavailable timed_out")
        assert.strictEqual(found.probe, "store_unavailable timed_out")
      }),
      "no credentials": withEnvironment(
        {
          AWS_ACCESS_KEY_ID: undefined,
          AWS_SECRET_ACCESS_KEY: undefined,
          AWS_EC2_METADATA_DISABLED: "true",
          HOME: "/nonexistent"
        },
        Effect.gen(function* () {
          const { endpoint } = yield* Fauxqs
          const store = yield* S3Store.make("w", { type: "s3", bucket: "b", endpoint }, impatient)
          assert.strictEqual(yield* outcome(store.readBytes("x")), "permanent no_credentials")
        })
      ),
      "no region": withEnvironment(
        { AWS_REGION: undefined, AWS_DEFAULT_REGION: undefined, HOME: "/nonexistent" },
        Effect.gen(function* () {
          const store = yield* S3Store.make("w", { type: "s3", bucket: "b" }, impatient)
          assert.strictEqual(yield* outcome(store.readBytes("x")), "permanent no_region")
        })
      ),
      "anything else": Effect.gen(function* () {
        const { port } = yield* Fauxqs
        // TLS to a port that speaks plain HTTP.
        const store = yield* S3Store.make("w", { type: "s3", bucket: "b", endpoint: `https://127.0.0.1:${port}` })
        assert.strictEqual(yield* outcome(store.readBytes("x")), "store_unavailable unrecognized")
      })
    }

    it.effect("covers each row of the table", () =>
      Effect.sync(() =>
        assert.deepStrictEqual(
          Object.keys(cases),
          rows.map(({ situation }) => situation)
        )
      )
    )
    for (const [situation, test] of Object.entries(cases)) it.effect(situation, () => test)
  })
})

/** Runs `effect` with other environment variables: the SDK's own chains read them when a client is made. */
function withEnvironment<A, E, R>(
  variables: Readonly<Record<string, string | undefined>>,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> {
  const set = (values: Readonly<Record<string, string | undefined>>) => {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
  return Effect.acquireUseRelease(
    Effect.sync(() => {
      const before = Object.fromEntries(Object.keys(variables).map((name) => [name, process.env[name]]))
      set(variables)
      return before
    }),
    () => effect,
    (before) => Effect.sync(() => set(before))
  )
}
