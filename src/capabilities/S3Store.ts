import type { GetObjectCommandOutput } from "@aws-sdk/client-s3"
import { Effect, type Scope } from "effect"
import { hash } from "node:crypto"
import type { Failure } from "../domain/Failure.ts"
import * as GuardedStore from "./GuardedStore.ts"
import * as ObjectKey from "./ObjectKey.ts"
import { type ObjectInfo, type ObjectStore, StoreError, type StoreProbe } from "./ObjectStore.ts"
import { type Bytes, collect, sha256Metadata } from "./S3Body.ts"
import { connectClient, defaultTimeouts, lazily, type S3Timeouts, type Sdk, type SendOptions } from "./S3Client.ts"
import { classify, factsOf, type S3Facts, type S3Row } from "./s3Classification.ts"
import type { S3Config } from "./StoreConfig.ts"

const listPageSize = 1_000
const mebibyte = 1024 * 1024
/** A probe asks for a few bytes: a store that needs longer to begin its answer is not there, ms. */
const probeTimeoutMaxMs = 5_000

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
      const command = new sdk.GetObjectCommand({ Bucket: bucket, Key: root + ObjectKey.markerKey })
      const requestTimeout = Math.min(options.requestTimeout, probeTimeoutMaxMs)
      await body(await client.send(command, { ...options, requestTimeout }))
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
