import type { Server } from "node:http"
import { Server as TlsServer } from "node:https"
import type { Socket } from "node:net"

/**
 * Which of a server's connections have a request in flight. Node's own `close` waits for those that a client keeps
 * open without using them, and for ever for one that never sent a request.
 */
export const track = (server: Server | TlsServer) => {
  /** Requests in flight a connection. */
  const open = new Map<Socket, number>()
  let draining = false

  // Over TLS requests come by the socket that is made of the connection once the two have agreed.
  const secured = server instanceof TlsServer
  server.on(secured ? "secureConnection" : "connection", (socket: Socket) => {
    if (draining) return void socket.destroy()
    open.set(socket, 0)
    socket.once("close", () => open.delete(socket))
  })
  server.prependListener("request", ({ socket }, response) => {
    open.set(socket, (open.get(socket) ?? 0) + 1)
    response.once("close", () => {
      const left = (open.get(socket) ?? 1) - 1
      if (open.has(socket)) open.set(socket, left)
      // What was written still goes out before the end.
      if (draining && left === 0) socket.destroySoon()
    })
  })

  return {
    /** From now on every connection ends as soon as it has no request in flight. */
    drain: () => {
      draining = true
      for (const [socket, requests] of open) if (requests === 0) socket.destroySoon()
    },
    /** Ends every connection, whatever it does. */
    abandon: () => server.closeAllConnections()
  }
}
