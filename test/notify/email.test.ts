import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer, type AddressInfo } from "node:net"
import * as Channels from "../../src/notify/Channels.ts"
import type { Message } from "../../src/notify/Channel.ts"
import { resolveBySystem } from "../../src/capabilities/HttpAccess.ts"

interface Mail {
  readonly from: string
  readonly to: ReadonlyArray<string>
  readonly data: string
}

/** A little SMTP server (RFC 5321) on a free port; `refusal` answers RCPT or the data instead of 250. */
const smtp = Effect.gen(function* () {
  const state = { mails: [] as Array<Mail>, rcpt: "250 ok", accepted: "250 queued", extensions: [] as Array<string> }
  const server = createServer((socket) => {
    let [from, to, data]: [string, Array<string>, string | null] = ["", [], null]
    let rest = ""
    const say = (line: string) => socket.write(`${line}\r\n`)
    socket.on("error", () => undefined)
    socket.on("data", (chunk) => {
      rest += chunk.toString("utf8")
      for (let end = rest.indexOf("\r\n"); end >= 0; end = rest.indexOf("\r\n")) {
        const line = rest.slice(0, end)
        rest = rest.slice(end + 2)
        if (data !== null) {
          if (line !== ".") {
            data += `${line.replace(/^\./, "")}\n`
            continue
          }
          if (state.accepted.startsWith("2")) state.mails.push({ from, to, data })
          data = null
          say(state.accepted)
        } else if (/^EHLO/i.test(line)) {
          const all = ["test", ...state.extensions]
          for (const [index, word] of all.entries()) say(`250${index === all.length - 1 ? " " : "-"}${word}`)
        } else if (/^MAIL FROM:/i.test(line)) {
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
    })
    say("220 test")
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.sync(() => server.close())
  )
  return { state, port: (server.address() as AddressInfo).port }
})

const access = { allow: [], resolve: resolveBySystem }
const channel = Effect.fnUntraced(function* (port: number, tls: "none" | "starttls" = "none") {
  const [made] = yield* Channels.make(
    {
      channels: {
        night: {
          ...{ type: "email", host: "127.0.0.1", port, tls, from: "kintsugi@example.org" },
          to: ["night@example.org", "day@example.org"]
        }
      }
    },
    access,
    () => undefined
  )
  return made!
})

const message: Message = {
  id: "00000000-0000000000000001-0000000000000002",
  kind: "step_failed",
  message: "Step failed after multiple attempts",
  workflow: "orders\r\nBcc: everybody@example.org",
  runId: "r1",
  stepId: "load",
  at: "2026-01-01T00:00:00.000Z",
  data: { failure: { message: ".\r\nQUIT" } }
}

describe("e-mail", () => {
  it.live(
    "F49: sends one plain-text mail with the exact text and an id that tells a repetition; nothing in it is a header",
    () =>
      Effect.gen(function* () {
        const { port, state } = yield* smtp
        const { send } = yield* channel(port)
        yield* send(message)
        yield* send(message)
        const [mail, again] = state.mails
        assert.strictEqual(mail!.from, "kintsugi@example.org")
        assert.deepStrictEqual(mail!.to, ["night@example.org", "day@example.org"])
        const unfolded = mail!.data.replace(/\n[ \t]+/g, " ")
        assert.match(
          unfolded,
          /^Subject: \[kintsugi\] orders Bcc: everybody@example.org: Step failed after multiple attempts$/m
        )
        assert.notMatch(mail!.data.split("\n\n")[0]!, /^Bcc:/m)
        assert.match(unfolded, /^Content-Type: text\/plain/m)
        assert.include(mail!.data, "run: r1")
        const idOf = (text: string) => /^Message-ID: (.*)$/im.exec(text)![1]
        assert.strictEqual(idOf(again!.data), idOf(mail!.data))
        assert.include(idOf(mail!.data)!, message.id)
      }).pipe(Effect.scoped)
  )

  it.live("is tried again when the server does not take it now, and not when it refuses the mail itself", () =>
    Effect.gen(function* () {
      const { port, state } = yield* smtp
      const { send } = yield* channel(port)
      state.rcpt = "451 later"
      assert.strictEqual((yield* Effect.flip(send(message)))._tag, "ChannelAway")
      state.rcpt = "550 nobody here"
      assert.strictEqual((yield* Effect.flip(send(message)))._tag, "ChannelAway")
      state.rcpt = "250 ok"
      state.accepted = "554 this looks like spam"
      const refused = yield* Effect.flip(send(message))
      assert.strictEqual(refused._tag, "MessageRefused")
      assert.include(refused.message, "554 this looks like spam")
      const { send: nowhere } = yield* channel(1)
      assert.include((yield* Effect.flip(nowhere(message))).message, "127.0.0.1:1")
    }).pipe(Effect.scoped)
  )

  it.live("demands TLS of a server that offers none, unless it is told not to", () =>
    Effect.gen(function* () {
      const { port, state } = yield* smtp
      const { send } = yield* channel(port, "starttls")
      assert.strictEqual((yield* Effect.flip(send(message)))._tag, "ChannelAway")
      assert.deepStrictEqual(state.mails, [])
    }).pipe(Effect.scoped)
  )
})
