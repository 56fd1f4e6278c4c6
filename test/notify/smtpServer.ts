import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { createServer, type AddressInfo, type Socket } from "node:net"
import { join } from "node:path"
import { TLSSocket } from "node:tls"

export interface Mail {
  readonly from: string
  readonly to: ReadonlyArray<string>
  readonly data: string
}

const pem = (name: string) => readFileSync(join(import.meta.dirname, "..", "http", "tls", name))

/** For localhost and 127.0.0.1, signed by itself. */
export const certificate = pem("cert.pem")
const tls = { cert: certificate, key: pem("key.pem"), isServer: true }

/**
 * A little SMTP server (RFC 5321) on a free port; `rcpt` and `accepted` are its answers to RCPT and to the data. With
 * TLS from the first byte (`isImplicit`), or after STARTTLS (RFC 3207) if `extensions` offers it.
 */
export const smtp = Effect.fnUntraced(function* ({ host = "127.0.0.1", isImplicit = false } = {}) {
  const state = {
    mails: [] as Array<Mail>,
    rcpt: "250 ok",
    accepted: "250 queued",
    extensions: [] as Array<string>,
    /** What was said by clients in the clear, and under TLS. */
    plain: [] as Array<string>,
    secure: [] as Array<string>
  }
  const talk = (socket: Socket, isSecure: boolean) => {
    let [from, to, data]: [string, Array<string>, string | null] = ["", [], null]
    let rest = ""
    const say = (line: string) => socket.write(`${line}\r\n`)
    const upgrade = () => {
      socket.removeAllListeners("data")
      say("220 go on")
      talk(new TLSSocket(socket, tls), true)
    }
    const heard = (line: string): void => {
      ;(isSecure ? state.secure : state.plain).push(line)
      if (data !== null) {
        if (line !== ".") {
          data += `${line.replace(/^\./, "")}\n`
          return
        }
        if (state.accepted.startsWith("2")) state.mails.push({ from, to, data })
        data = null
        say(state.accepted)
      } else if (/^EHLO/i.test(line)) {
        const all = ["test", ...state.extensions.filter((word) => !(isSecure && word === "STARTTLS"))]
        for (const [index, word] of all.entries()) say(`250${index === all.length - 1 ? " " : "-"}${word}`)
      } else if (/^STARTTLS/i.test(line) && !isSecure && state.extensions.includes("STARTTLS")) upgrade()
      else if (/^AUTH PLAIN/i.test(line)) say("235 welcome")
      else if (/^MAIL FROM:/i.test(line)) {
        ;[from, to] = [/<(.*?)>/.exec(line)![1]!, []]
        say("250 ok")
      } else if (/^RCPT TO:/i.test(line)) {
        to.push(/<(.*?)>/.exec(line)![1]!)
        say(state.rcpt)
      } else if (/^DATA/i.test(line)) {
        data = ""
        say("354 go on")
      } else if (/^QUIT/i.test(line)) {
        say("221 bye")
        socket.end()
      } else say("502 what?")
    }
    socket.on("error", () => undefined)
    socket.on("data", (chunk) => {
      rest += chunk.toString("utf8")
      for (let end = rest.indexOf("\r\n"); end >= 0; end = rest.indexOf("\r\n")) {
        const line = rest.slice(0, end)
        rest = rest.slice(end + 2)
        heard(line)
      }
    })
  }
  const server = createServer((socket) => {
    socket.on("error", () => undefined)
    const spoken = isImplicit ? new TLSSocket(socket, tls) : socket
    talk(spoken, isImplicit)
    spoken.write("220 test\r\n")
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, host, () => resume(Effect.void))),
    () => Effect.sync(() => server.close())
  )
  return { state, port: (server.address() as AddressInfo).port }
})
