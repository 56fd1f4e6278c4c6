import { Effect } from "effect"
import { type ServerOptions, startServer, token } from "../test/chaos/serverProcess.ts"

/** What a client sends with each request. */
export const headers = { authorization: `Bearer ${token}` }

/** A server of its own process, for as long as the scope lives; its URL. */
export const serve = (options: ServerOptions) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(() => startServer(options)),
      (server) =>
        Effect.promise(async () => {
          server.signal("SIGTERM")
          await server.ended
        })
    ),
    ({ pid, url }) => ({ pid, url })
  )
