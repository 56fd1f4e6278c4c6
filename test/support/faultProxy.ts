import { Effect, type Scope } from "effect"
import { once } from "node:events"
import { createServer, connect, type Server, type Socket } from "node:net"

/**
 * What the proxy does to connections, those that exist and those that come. `refuse`: nothing listens. `reset`: each
 * is torn down by RST. `blackhole`: each is accepted and nothing passes. `latencyMs`: each piece of data is late by so
 * much, in both directions. `cutAfterBytes`: a connection ends after so many bytes of answer.
 */
export type FaultMode =
  | "pass"
  | "refuse"
  | "reset"
  | "blackhole"
  | { readonly latencyMs: number }
  | { readonly cutAfterBytes: number }

/** A TCP proxy in front of a port of this machine. */
export interface FaultProxy {
  readonly port: number
  readonly setMode: (mode: FaultMode) => Effect.Effect<void>
  /** Connections accepted so far. */
  readonly accepted: () => number
}

/** Starts a proxy to `targetPort` that passes everything; it is closed with the scope. */
export const make = Effect.fnUntraced(function* (targetPort: number): Effect.fn.Return<FaultProxy, never, Scope.Scope> {
  let mode: FaultMode = "pass"
  let accepted = 0
  let port = 0
  let listener: Server | undefined
  const pairs = new Set<readonly [Socket, Socket]>()

  const accept = (client: Socket): void => {
    accepted++
    if (mode === "reset") {
      client.on("error", () => undefined)
      client.resetAndDestroy()
      return
    }
    const upstream = connect(targetPort, "127.0.0.1")
    const pair = [client, upstream] as const
    pairs.add(pair)
    let answered = 0
    const close = (): void => {
      pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    /** An end that belongs to a blackholed connection is not heard either. */
    const end = (to: Socket) => (): void => {
      if (mode === "blackhole") return
      const late = typeof mode === "object" && "latencyMs" in mode ? mode.latencyMs : 0
      setTimeout(() => to.end(), late)
    }
    const forward = (to: Socket, chunk: Buffer): void => {
      if (mode === "blackhole") return
      if (typeof mode === "object" && "latencyMs" in mode) {
        setTimeout(() => to.writable && to.write(chunk), mode.latencyMs)
      } else to.write(chunk)
    }
    client.on("data", (chunk) => forward(upstream, chunk))
    upstream.on("data", (chunk) => {
      if (typeof mode !== "object" || !("cutAfterBytes" in mode)) return forward(client, chunk)
      const left = mode.cutAfterBytes - answered
      answered += chunk.byteLength
      if (chunk.byteLength < left) client.write(chunk)
      else client.write(chunk.subarray(0, left), close)
    })
    client.on("end", end(upstream))
    upstream.on("end", end(client))
    client.on("error", close)
    upstream.on("error", close)
    client.on("close", close)
  }

  const listen = async (): Promise<void> => {
    listener = createServer({ allowHalfOpen: true }, accept).listen(port, "127.0.0.1")
    await once(listener, "listening")
    const address = listener.address()
    if (address === null || typeof address === "string") throw new Error("the proxy has no port")
    port = address.port
  }

  const unlisten = async (): Promise<void> => {
    const closing = listener
    listener = undefined
    if (closing === undefined) return
    const closed = once(closing, "close")
    closing.close()
    tearDown()
    await closed
  }

  const tearDown = (): void => {
    for (const [client, upstream] of pairs) {
      client.resetAndDestroy()
      upstream.destroy()
    }
  }

  const setMode = (next: FaultMode): Effect.Effect<void> =>
    Effect.promise(async () => {
      mode = next
      if (next === "refuse") return unlisten()
      if (listener === undefined) await listen()
      if (next === "reset") tearDown()
    })

  yield* Effect.acquireRelease(Effect.promise(listen), () => Effect.promise(unlisten))
  return { port, setMode, accepted: () => accepted }
})
