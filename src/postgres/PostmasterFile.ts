import { Effect } from "effect"
import { readFile } from "node:fs/promises"
import { createConnection } from "node:net"
import { join } from "node:path"

/** What a running server says about itself in `postmaster.pid`. */
export interface Postmaster {
  readonly pid: number
  readonly port: number
  readonly socketDir: string
  /** PostgreSQL's own word: `starting`, `stopping`, `ready` or `standby`. */
  readonly status: string
}

/** The server that `postmaster.pid` of this cluster names, alive or not; null when there is no such file. */
export const read = (clusterDir: string): Effect.Effect<Postmaster | null> =>
  Effect.promise(async () => {
    const text = await readFile(join(clusterDir, "postmaster.pid"), "utf8").catch(() => "")
    const lines = text.split("\n")
    const pid = Number(lines[0])
    if (!Number.isInteger(pid) || pid <= 0) return null
    return { pid, port: Number(lines[3] ?? 0), socketDir: lines[4] ?? "", status: (lines[7] ?? "").trim() }
  })

/** Whether a process with this id runs; a zombie that nobody has reaped yet does not. */
export const isAlive = (pid: number): Effect.Effect<boolean> =>
  Effect.promise(async () => {
    try {
      process.kill(pid, 0)
    } catch (cause) {
      return (cause as NodeJS.ErrnoException).code === "EPERM"
    }
    const state = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")
    return !/\) [ZX] /.test(state)
  })

/** The path of the socket that a server with this folder and port listens on. */
export const socketPath = (socketDir: string, port: number): string => join(socketDir, `.s.PGSQL.${port}`)

/** SSLRequest of the wire protocol: a live server answers it with one byte before any log-in. */
const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

/** Whether a server answers on this socket within a second. */
export const answers = (path: string): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const socket = createConnection({ path })
    const end = (answered: boolean) => {
      socket.destroy()
      resume(Effect.succeed(answered))
    }
    socket.on("error", () => end(false))
    socket.on("close", () => end(false))
    socket.on("connect", () => socket.write(sslRequest))
    socket.on("data", () => end(true))
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeoutOrElse({ duration: "1 second", orElse: () => Effect.succeed(false) }))
