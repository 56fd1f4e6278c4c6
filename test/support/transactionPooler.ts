import { Effect } from "effect"
import { createConnection, createServer, type Socket } from "node:net"
import { join } from "node:path"
import { temporaryFolder } from "./postgres.ts"

const socketName = ".s.PGSQL.5432"

/**
 * What a pooler in transaction mode does: each transaction of a client goes to the server's session that was used last,
 * whoever opened it. Answers the folder of its socket.
 */
export const make = Effect.fnUntraced(function* (targetDir: string) {
  const socketDir = yield* temporaryFolder
  const idle: Array<Session> = []
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    sockets.add(client)
    client.on("error", () => client.destroy())
    // Its own session only says hello; from then on it is everybody's.
    let lent: Session | null = open(targetDir, sockets)
    lent.client = client
    lent.onIdle = (session) => {
      idle.push(session)
      lent = null
    }
    client.on("data", (chunk) => {
      if (chunk[0] === "X".charCodeAt(0)) return void client.end()
      if (lent === null) {
        lent = idle.pop() ?? null
        if (lent === null) return void client.destroy()
        lent.client = client
        lent.onIdle = (session) => {
          idle.push(session)
          lent = null
        }
      }
      lent.socket.write(chunk)
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(join(socketDir, socketName), () => resume(Effect.void))),
    () =>
      Effect.callback<void>((resume) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resume(Effect.void))
      })
  )
  return socketDir
})

interface Session {
  readonly socket: Socket
  client: Socket | null
  onIdle: (session: Session) => void
}

const open = (targetDir: string, sockets: Set<Socket>): Session => {
  const socket = createConnection({ path: join(targetDir, socketName) })
  sockets.add(socket)
  const session: Session = { socket, client: null, onIdle: () => {} }
  let buffered = Buffer.alloc(0)
  socket.on("error", () => socket.destroy())
  socket.on("data", (chunk) => {
    const client = session.client
    buffered = Buffer.concat([buffered, chunk])
    let isIdle = false
    // A message is its type, its length and its body; ReadyForQuery says whether a transaction is open.
    while (buffered.length >= 5 && buffered.length > buffered.readInt32BE(1)) {
      isIdle = buffered[0] === "Z".charCodeAt(0) && buffered[5] === "I".charCodeAt(0)
      buffered = buffered.subarray(buffered.readInt32BE(1) + 1)
    }
    if (isIdle) session.onIdle(session)
    client?.write(chunk)
  })
  return session
}
