import { Effect } from "effect"
import { createConnection, createServer, type Socket } from "node:net"
import { join } from "node:path"
import { temporaryFolder } from "./postgres.ts"

/**
 * What the proxy does with the traffic. `pass`: nothing. `refuse`: cut every connection. `lose-request`: cut instead of
 * sending on. `lose-answer`: send on, and cut when the answer comes. `freeze`: keep everything and say nothing.
 */
export type Mode = "pass" | "refuse" | "lose-request" | "lose-answer" | "freeze"

export interface Proxy {
  /** Folder of the proxy's socket, for a client's `host`. */
  readonly socketDir: string
  readonly set: (mode: Mode) => Effect.Effect<void>
  /** How many connections were cut so far. */
  readonly cuts: () => number
}

/** A Postgres socket in front of another one, for losing things at the worst moment. */
export const make = Effect.fnUntraced(function* (targetDir: string) {
  const socketDir = yield* temporaryFolder
  const sockets = new Set<Socket>()
  let mode: Mode = "pass"
  let cuts = 0

  const server = createServer((client) => {
    if (mode === "refuse") return void client.destroy()
    const upstream = createConnection({ path: join(targetDir, ".s.PGSQL.5432") })
    const cut = () => {
      if (sockets.has(client)) cuts++
      for (const socket of [client, upstream]) {
        sockets.delete(socket)
        socket.destroy()
      }
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on("error", cut)
      socket.on("close", cut)
    }
    client.on("data", (chunk) => {
      if (mode === "lose-request" || mode === "refuse") return cut()
      if (mode !== "freeze") upstream.write(chunk)
    })
    upstream.on("data", (chunk) => {
      if (mode === "lose-answer" || mode === "refuse") return cut()
      if (mode !== "freeze") client.write(chunk)
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(join(socketDir, ".s.PGSQL.5432"), () => resume(Effect.void))),
    () =>
      Effect.callback<void>((resume) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resume(Effect.void))
      })
  )
  const proxy: Proxy = {
    socketDir,
    cuts: () => cuts,
    set: (next) =>
      Effect.sync(() => {
        mode = next
      })
  }
  return proxy
})
