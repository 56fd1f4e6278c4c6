import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { getCACertificates, setDefaultCACertificates } from "node:tls"
import * as Channels from "../../src/notify/Channels.ts"
import type { Message } from "../../src/notify/Channel.ts"
import { resolveBySystem } from "../../src/capabilities/HttpAccess.ts"
import { certificate, smtp } from "./smtpServer.ts"

const access = { allow: [], resolve: resolveBySystem }
const password = "smtp-password-canary"

const channel = Effect.fnUntraced(function* (
  port: number,
  tls: "none" | "starttls" | "implicit" = "none",
  { host = "127.0.0.1" } = {}
) {
  const [made] = yield* Channels.make(
    {
      channels: {
        night: {
          ...{ type: "email", host, port, tls, from: "kintsugi@example.org" },
          ...(tls === "none" ? {} : { user: "kintsugi", password: { env: "SMTP_PASSWORD" } }),
          to: ["night@example.org", "day@example.org"]
        }
      }
    },
    access,
    (name) => (name === "SMTP_PASSWORD" ? password : undefined)
  )
  return made!
})

/** What Node.js trusts, and the test's certificate, as NODE_EXTRA_CA_CERTS would have it. */
const trusting = Effect.acquireRelease(
  Effect.sync(() => {
    const before = getCACertificates("default")
    setDefaultCACertificates([...before, certificate.toString("utf8")])
    return before
  }),
  (before) => Effect.sync(() => setDefaultCACertificates(before))
)

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
        const { port, state } = yield* smtp()
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
      const { port, state } = yield* smtp()
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
      const { port, state } = yield* smtp()
      const { send } = yield* channel(port, "starttls")
      assert.strictEqual((yield* Effect.flip(send(message)))._tag, "ChannelAway")
      assert.deepStrictEqual(state.mails, [])
    }).pipe(Effect.scoped)
  )

  const secured = [
    { tls: "implicit", isImplicit: true, extensions: ["AUTH PLAIN"] },
    { tls: "starttls", isImplicit: false, extensions: ["STARTTLS", "AUTH PLAIN"] }
  ] as const
  for (const { extensions, isImplicit, tls } of secured) {
    it.live(
      `F49: goes out under TLS (${tls}), and so does its password, to a server whose certificate is trusted`,
      () =>
        Effect.gen(function* () {
          yield* trusting
          const { port, state } = yield* smtp({ isImplicit })
          state.extensions = [...extensions]
          const { send } = yield* channel(port, tls)
          yield* send(message)
          const [mail] = state.mails
          assert.deepStrictEqual(mail!.to, ["night@example.org", "day@example.org"])
          assert.include(mail!.data, "Step failed after multiple attempts")
          const credentials = Buffer.from(`\0kintsugi\0${password}`).toString("base64")
          assert.include(state.secure, `AUTH PLAIN ${credentials}`)
          // In the clear there is nothing but the way to TLS.
          assert.deepStrictEqual(
            state.plain.map((line) => line.split(" ")[0]),
            isImplicit ? [] : ["EHLO", "STARTTLS"]
          )
        }).pipe(Effect.scoped)
    )

    it.live(`tells nothing to a server whose certificate is not trusted, or is another's (${tls})`, () =>
      Effect.gen(function* () {
        const { port, state } = yield* smtp({ isImplicit, host: "0.0.0.0" })
        state.extensions = [...extensions]
        const unknown = yield* Effect.flip((yield* channel(port, tls)).send(message))
        assert.strictEqual(unknown._tag, "ChannelAway")
        assert.match(unknown.message, /self-signed certificate/)
        yield* trusting
        const another = yield* Effect.flip((yield* channel(port, tls, { host: "127.0.0.2" })).send(message))
        assert.strictEqual(another._tag, "ChannelAway")
        assert.match(another.message, /does not match certificate/)
        for (const { message: text } of [unknown, another]) assert.notInclude(text, password)
        assert.deepStrictEqual(state.mails, [])
        assert.deepStrictEqual(state.secure, [])
      }).pipe(Effect.scoped)
    )
  }
})
