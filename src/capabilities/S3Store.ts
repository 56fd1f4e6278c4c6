import type { GetObjectCommandOutput, S3Client } from "@aws-sdk/client-s3"
import { Effect, type Scope } from "effect"
import { createHash, hash } from "node:crypto"
import { Readable } from "node:stream"
import type { Failure } from "../domain/Failure.ts"
import * as GuardedStore from "./GuardedStore.ts"
import * as ObjectKey from "./ObjectKey.ts"
import { objectBytesMax, type ObjectInfo, type ObjectStore, StoreError, type StoreProbe } from "./ObjectStore.ts"
import { classify, factsOf, type S3Facts, type S3Row } from "./s3Classification.ts"
import type { S3Config } from "./StoreConfig.ts"

/** How long an S3 store may take, in ms. */
export interface S3Timeouts {
  readonly connectionTimeoutMs: number
  /** Until the answer begins; 1 s is added for each MiB that is sent. */
  readonly requestTimeoutMs: number
  /** Without a byte in either direction. */
  readonly socketTimeoutMs: number
}

export const defaultTimeouts: S3Timeouts = {
  connectionTimeoutMs: 3_000,
  requestTimeoutMs: 20_000,
  socketTimeoutMs: 15_000
}

/** User metadata of what we write (`x-amz-meta-…`): the digest of the bytes, so that a stat can tell it. */
const sha256Metadata = "kintsugi-sha256"

const socketsMax = 64
const listPageSize = 1_000
const mebibyte = 1024 * 1024

/** A store in a bucket. The client is loaded and made at the first use, and closed with the scope. */
export const make = Effect.fn("S3Store.make")(function* (
  name: string,
  config: S3Config,
  timeouts: S3Timeouts = defaultTimeouts
): Effect.fn.Return<ObjectStore, never, Scope.Scope> {
  const bucket = config.bucket
  const root = config.prefix === undefined ? "" : `${config.prefix.replace(/^\/+|\/+$/g, "")}/`
  const connect = lazily(() => connectClient(config, timeouts))
  yield* Effect.addFinalizer(() => Effect.promise(connect.close))

  /** One try of one request; its error is read with the bucket asked where the error alone does not tell. */
  const attempt = <A>(
    key: string | undefined,
    run: (sdk: Sdk, options: SendOptions, body: (output: GetObjectCommandOutput) => Promise<Bytes>) => Promise<A>,
    sentBytes = 0
  ): Effect.Effect<A, StoreError> =>
    Effect.catch(once(run, sentBytes), ({ cause, phase }) => {
      const facts = factsOf(cause, phase)
      const row = classify(facts)
      if (row.confirm === undefined) return Effect.fail(toStoreError(name, key, row, facts, cause))
      return Effect.matchEffect(askRoot, {
        onSuccess: () => Effect.fail(toStoreError(name, key, row, facts, cause)),
        onFailure: (error) =>
          Effect.fail(
            error.failure.class === "store_unavailable"
              ? new StoreError({ failure: key === undefined ? error.failure : { ...error.failure, key }, cause })
              : toStoreError(name, key, row, facts, cause)
          )
      })
    })

  const once = <A>(
    run: (sdk: Sdk, options: SendOptions, body: (output: GetObjectCommandOutput) => Promise<Bytes>) => Promise<A>,
    sentBytes: number
  ): Effect.Effect<A, { readonly cause: unknown; readonly phase: S3Facts["phase"] }> =>
    Effect.suspend(() => {
      let phase: S3Facts["phase"] = "request"
      return Effect.tryPromise({
        try: async (abortSignal) => {
          const requestTimeout = timeouts.requestTimeoutMs + Math.ceil(sentBytes / mebibyte) * 1_000
          return run(await connect.get(), { abortSignal, requestTimeout }, (output) => {
            phase = "body"
            return collect(output)
          })
        },
        catch: (cause) => ({ cause, phase })
      })
    })

  /** A GET of the marker: unlike HEAD it tells a missing object from a missing bucket, and says why it is refused. */
  const askRoot: Effect.Effect<StoreProbe, StoreError> = Effect.catch(
    once(async ({ client, sdk }, options, body) => {
      await body(
        await client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: root + ObjectKey.markerKey }), options)
      )
      return { status: "ready" } as const
    }, 0),
    ({ cause, phase }): Effect.Effect<StoreProbe, StoreError> => {
      const facts = factsOf(cause, phase)
      const row = classify(facts)
      if (row.class === "asset_missing" && row.confirm === undefined) return Effect.succeed({ status: "wiped" })
      // A probe that is cut off half-way has not answered.
      const failureClass = row.confirm?.asRoot ?? (row.class === "transient" ? "store_unavailable" : row.class)
      return Effect.fail(toStoreError(name, undefined, { ...row, class: failureClass }, facts, cause))
    }
  )

  const head = (key: string): Effect.Effect<ObjectInfo, StoreError> =>
    attempt(key, async ({ client, sdk }, options) => {
      const output = await client.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: root + key }), options)
      const sha256 = output.Metadata?.[sha256Metadata]
      return {
        key,
        bytes: output.ContentLength ?? 0,
        etag: unquoted(output.ETag),
        ...(sha256 === undefined ? {} : { sha256 })
      }
    })

  const put = (key: string, bytes: Uint8Array) => {
    const sha256 = hash("sha256", bytes)
    return attempt(
      key,
      async ({ client, sdk }, options) => {
        const output = await client.send(
          new sdk.PutObjectCommand({
            Bucket: bucket,
            Key: root + key,
            Body: bytes,
            ContentLength: bytes.byteLength,
            Metadata: { [sha256Metadata]: sha256 }
          }),
          options
        )
        return { store: name, key, bytes: bytes.byteLength, etag: unquoted(output.ETag), sha256 }
      },
      bytes.byteLength
    )
  }

  const createBucket = attempt(undefined, async ({ client, sdk }, options) => {
    await client.send(new sdk.CreateBucketCommand({ Bucket: bucket }), options)
  })

  const driver: ObjectStore = {
    name,
    type: "s3",
    readBytes: (key) =>
      attempt(key, async ({ client, sdk }, options, body) =>
        body(await client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: root + key }), options))
      ),
    write: put,
    stat: head,
    list: (prefix, limit) =>
      attempt(undefined, async ({ client, sdk }, options) => {
        const found: Array<ObjectInfo> = []
        let token: string | undefined
        do {
          const page = await client.send(
            new sdk.ListObjectsV2Command({
              Bucket: bucket,
              Prefix: root + prefix,
              MaxKeys: listPageSize,
              ContinuationToken: token
            }),
            options
          )
          for (const object of page.Contents ?? []) {
            const key = (object.Key ?? "").slice(root.length)
            // Names that no key may have (folder marks that end with a slash) are not ours to show.
            if (ObjectKey.fault(key) !== null || ObjectKey.isReserved(key)) continue
            found.push({ key, bytes: object.Size ?? 0, etag: unquoted(object.ETag) })
            if (found.length === limit) return found
          }
          token = page.NextContinuationToken
        } while (token !== undefined)
        return found
      }),
    delete: (key) =>
      attempt(key, async ({ client, sdk }, options) => {
        await client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: root + key }), options)
      }).pipe(
        Effect.catchIf(
          (error) => error.failure.class === "asset_missing",
          () => Effect.void
        )
      ),
    copy: (fromKey, toKey) =>
      Effect.andThen(
        attempt(fromKey, async ({ client, sdk }, options) => {
          const source = `${bucket}/${root}${fromKey}`.split("/").map(encodeURIComponent).join("/")
          await client.send(
            new sdk.CopyObjectCommand({ Bucket: bucket, Key: root + toKey, CopySource: source }),
            options
          )
        }),
        head(toKey)
      ),
    probe: askRoot,
    ensureMarker: Effect.gen(function* () {
      const { status } = yield* askRoot.pipe(
        Effect.catchIf(
          (error) => error.failure.code === "bucket_missing" && config.createBucket === true,
          () => Effect.as(createBucket, { status: "wiped" } as const)
        )
      )
      if (status === "wiped") {
        yield* put(ObjectKey.markerKey, Buffer.from(`${JSON.stringify({ store: name })}\n`))
      }
    })
  }

  return GuardedStore.make(driver)
})

type Bytes = Uint8Array<ArrayBuffer>

interface Sdk {
  readonly client: S3Client
  readonly sdk: typeof import("@aws-sdk/client-s3")
}

interface SendOptions {
  readonly abortSignal: AbortSignal
  readonly requestTimeout: number
}

/** The SDK takes half a second to load: a process that uses no S3 store never pays for it. */
const connectClient = async (config: S3Config, timeouts: S3Timeouts): Promise<Sdk> => {
  const [sdk, { NodeHttpHandler }] = await Promise.all([
    import("@aws-sdk/client-s3"),
    import("@smithy/node-http-handler")
  ])
  const client = new sdk.S3Client({
    // One retry policy, ours: the SDK's would hide failures and hold the step.
    maxAttempts: 1,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: timeouts.connectionTimeoutMs,
      requestTimeout: timeouts.requestTimeoutMs,
      socketTimeout: timeouts.socketTimeoutMs,
      throwOnRequestTimeout: true,
      httpAgent: { keepAlive: true, maxSockets: socketsMax },
      httpsAgent: { keepAlive: true, maxSockets: socketsMax }
    }),
    forcePathStyle: config.forcePathStyle ?? config.endpoint !== undefined,
    ...(config.endpoint === undefined ? {} : { endpoint: config.endpoint }),
    // Stores that are not Amazon's mostly ignore the region, but the SDK signs with one.
    ...(config.region !== undefined
      ? { region: config.region }
      : config.endpoint !== undefined && process.env.AWS_REGION === undefined
        ? { region: "us-east-1" }
        : {}),
    ...(config.requestChecksumCalculation === undefined
      ? {}
      : { requestChecksumCalculation: config.requestChecksumCalculation }),
    ...(config.responseChecksumValidation === undefined
      ? {}
      : { responseChecksumValidation: config.responseChecksumValidation })
  })
  return { client, sdk }
}

/** Makes the client once; a try that failed is forgotten. */
const lazily = (connect: () => Promise<Sdk>) => {
  let made: Promise<Sdk> | undefined
  return {
    get: (): Promise<Sdk> => {
      made ??= connect().catch((cause: unknown) => {
        made = undefined
        throw cause
      })
      return made
    },
    close: async (): Promise<void> => (await made?.catch(() => undefined))?.client.destroy()
  }
}

/** The whole body, held against the length that was announced and the digest that we stored with it. */
const collect = async (output: GetObjectCommandOutput): Promise<Bytes> => {
  const { Body: body, ContentLength: announced, Metadata: metadata } = output
  if (!(body instanceof Readable)) return new Uint8Array(0)
  if (announced !== undefined && announced > objectBytesMax) {
    body.destroy()
    throw new TooLarge(`${announced} bytes, the limit is ${objectBytesMax}`)
  }
  const chunks: Array<Buffer> = []
  const digest = createHash("sha256")
  let bytes = 0
  for await (const chunk of body) {
    if (!Buffer.isBuffer(chunk)) throw new Error("a body's chunk is not bytes")
    chunks.push(chunk)
    digest.update(chunk)
    bytes += chunk.byteLength
  }
  if (announced !== undefined && bytes !== announced) throw new Truncated(`${bytes} of ${announced} bytes came`)
  const [expected, received] = [metadata?.[sha256Metadata], digest.digest("hex")]
  if (expected !== undefined && expected !== received) {
    throw new Error(`Checksum mismatch: expected "${expected}" but received "${received}"`)
  }
  return Buffer.concat(chunks)
}

class Truncated extends Error {
  override readonly name = "Truncated"
}

class TooLarge extends Error {
  override readonly name = "TooLarge"
}

const unquoted = (etag: string | undefined): string => (etag ?? "").replaceAll('"', "")

const toStoreError = (
  store: string,
  key: string | undefined,
  row: Pick<S3Row, "class" | "code">,
  facts: S3Facts,
  cause: unknown
): StoreError => {
  const named = facts.s3Code ?? (facts.name === "Error" ? facts.errno : facts.name) ?? "Error"
  const failure: Failure = {
    class: row.class,
    code: row.code,
    message: `${named}: ${facts.message}${facts.status === undefined ? "" : ` (HTTP ${facts.status})`}`,
    store,
    ...(key === undefined ? {} : { key }),
    capability: "s3",
    ...(facts.status === undefined ? {} : { status: facts.status })
  }
  return new StoreError({ failure, cause })
}
