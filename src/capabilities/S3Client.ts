import type { S3Client } from "@aws-sdk/client-s3"
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
  requestTimeoutMs: 15_000,
  socketTimeoutMs: 15_000
}

const socketsMax = 64

export interface Sdk {
  readonly client: S3Client
  readonly sdk: typeof import("@aws-sdk/client-s3")
}

export interface SendOptions {
  readonly abortSignal: AbortSignal
  readonly requestTimeout: number
}

/** The SDK takes half a second to load: a process that uses no S3 store never pays for it. */
export const connectClient = async (config: S3Config, timeouts: S3Timeouts): Promise<Sdk> => {
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
export const lazily = (connect: () => Promise<Sdk>) => {
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
