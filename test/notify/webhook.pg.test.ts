import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { readFileSync } from "node:fs"
import { parseAllowed, resolveBySystem } from "../../src/capabilities/HttpAccess.ts"
import type { NotificationConfig } from "../../src/domain/NotificationConfig.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import { LogFollower } from "../../src/eventstore/LogFollower.ts"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import * as Channels from "../../src/notify/Channels.ts"
import { Deliveries } from "../../src/notify/Deliveries.ts"
import * as Notifier from "../../src/notify/Notifier.ts"
import { until } from "../support/engine.ts"
import { database, TestServer } from "../support/postgres.ts"
import { appendFirst, receiver, stepFails } from "./receiver.ts"

const secret = "a-secret-of-some-length"
const log = Deliveries.layer(true).pipe(
  Layer.provideMerge(LogFollower.layer),
  Layer.provideMerge(PgEventStore.layer),
  Layer.provideMerge(database)
)

/** Everything a thousand times as fast: a minute is 60 ms, an hour 3.6 s. */
const timing = { backoffFirstMs: 1, backoffMaxMs: 60, windowMs: 60, pollMs: 20 }
const perMinute = 500

/** A notifier of these channels, running until the scope closes. */
const notifying = Effect.fnUntraced(function* (
  config: NotificationConfig,
  options: { readonly giveUpAfterMs?: number; readonly allow?: string } = {}
) {
  const allow = [parseAllowed(options.allow ?? "127.0.0.1")!]
  const made = yield* Channels.make(config, { allow, resolve: resolveBySystem }, () => secret)
  const channels = made.map((channel) => ({ ...channel, giveUpAfterMs: options.giveUpAfterMs ?? 86_400 }))
  yield* Layer.build(Notifier.layer({ config, channels, timing }))
})
const hook = (url: string, more: object = {}): NotificationConfig => ({
  channels: { ops: { type: "webhook", url, secret: { env: "S" }, perMinute, ...more } }
})

const deliveries = (status: "dead" | "pending" | "delivered" | "digested") =>
  Effect.flatMap(Deliveries, ({ list }) => Effect.map(list({ status }, {}), ({ data }) => data))

layer(TestServer.layer, { timeout: 120_000, excludeTestServices: true })("webhooks", (it) => {
  it.effect(
    "F43, F49: carry the notification with its exact text, its workflow, and a signature that the documented check takes",
    () =>
      Effect.gen(function* () {
        const { state, url } = yield* receiver
        yield* notifying(hook(url))
        yield* stepFails("r1")
        yield* until(
          Effect.sync(() => state.taken.length),
          (count) => count === 1,
          "delivery"
        )
        const { body, headers, text } = state.taken[0]!
        assert.deepInclude(body, {
          ...{ kind: "step_failed", message: "Step failed after multiple attempts", workflow: "orders", runId: "r1" },
          stepId: "load"
        })
        assert.strictEqual(headers["kintsugi-notification-id"], body.id)
        assert.strictEqual(headers["content-type"], "application/json")

        const docs = readFileSync(new URL("../../docs/NOTIFICATIONS.md", import.meta.url), "utf8")
        const snippet = /```js\n([\s\S]*?)```/.exec(docs)![1]!
        const { isGenuine } = yield* Effect.promise(
          () =>
            import(`data:text/javascript,${encodeURIComponent(snippet)}`) as Promise<{
              isGenuine: (secret: string, headers: object, body: string, now?: number) => boolean
            }>
        )
        assert.isTrue(isGenuine(secret, headers, text))
        assert.isFalse(isGenuine("another-secret-of-some-length", headers, text))
        assert.isFalse(isGenuine(secret, headers, text.replace("orders", "Orders")))
        assert.isFalse(isGenuine(secret, { ...headers, "kintsugi-timestamp": "1767225600" }, text))
        assert.isFalse(isGenuine(secret, { ...headers, "kintsugi-signature": undefined }, text))
        assert.isFalse(isGenuine(secret, headers, text, Date.now() / 1000 + 3_600))
      }).pipe(Effect.scoped, Effect.provide(log))
  )

  it.effect("F49: the list of deliveries is as far as a position once all up to it is queued", () =>
    Effect.gen(function* () {
      const { list, stands } = yield* Deliveries
      const { head } = yield* EventStore
      const { url } = yield* receiver
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* notifying(hook(url))
          yield* stepFails("told")
          yield* until(deliveries("delivered"), ({ length }) => length === 1, "delivery")
          const told = yield* head
          yield* until(stands(told), (position) => position >= told, "what is queued")
          // Of no interest to anybody: the stored place stays, and all is queued nevertheless.
          yield* appendFirst("limit-1", "LimitReleased", {})
          const quiet = yield* head
          yield* until(stands(quiet), (position) => position >= quiet, "what is not queued")
        })
      )
      const before = yield* head
      yield* stepFails("untold")
      assert.isFalse((yield* stands(yield* head)) >= (yield* head), "nobody has queued it yet")
      assert.isTrue((yield* stands(before)) >= before)
      yield* notifying(hook(url))
      const after = yield* head
      yield* until(stands(after), (position) => position >= after, "what was queued late")
      // In one look: between two it may be delivered, and be in both.
      assert.lengthOf((yield* list({}, {})).data, 2)
    }).pipe(Effect.scoped, Effect.provide(log))
  )

  it.effect(
    "F49: a receiver that is down for an hour gets each notification once, in the order of its run, across a restart",
    () =>
      Effect.gen(function* () {
        const { state, url } = yield* receiver
        let tries = 0
        state.answers = () => [null, 503, 500, 429][tries++ % 4]!
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* notifying(hook(url))
            for (let step = 0; step < 4; step++) {
              for (const run of ["r1", "r2", "r3"]) yield* stepFails(run, "orders", `s${step}`)
            }
            yield* until(deliveries("pending"), ({ length }) => length === 12, "12 that wait")
            yield* Effect.sleep("1800 millis")
          })
        )
        yield* Effect.gen(function* () {
          yield* notifying(hook(url))
          yield* Effect.sleep("1800 millis")
          assert.deepStrictEqual(state.taken, [])
          assert.isAbove(tries, 12, "it was tried again and again")
          state.answers = () => 200
          yield* until(deliveries("delivered"), ({ length }) => length === 12, "12 that are there")
          assert.lengthOf(new Set(state.taken.map(({ body }) => body.id)), 12)
          assert.lengthOf(state.taken, 12)
          for (const run of ["r1", "r2", "r3"]) {
            const steps = state.taken.filter(({ body }) => body.runId === run).map(({ body }) => body.stepId)
            assert.deepStrictEqual(steps, ["s0", "s1", "s2", "s3"])
          }
          assert.deepStrictEqual(yield* deliveries("dead"), [])
        }).pipe(Effect.scoped)
      }).pipe(Effect.scoped, Effect.provide(log))
  )

  it.effect(
    "what was tried for too long is a dead letter with what the receiver said, and goes out when somebody retries it",
    () =>
      Effect.gen(function* () {
        const { state, url } = yield* receiver
        state.answers = () => 503
        yield* notifying(hook(url), { giveUpAfterMs: 150 })
        yield* stepFails("r1")
        const [dead] = yield* until(deliveries("dead"), ({ length }) => length === 1, "a dead letter")
        assert.include(dead!.error, "answered 503: told")
        assert.notInclude(dead!.error, "/hook", "the path may be a secret")
        state.answers = () => 200
        yield* stepFails("r1", "orders", "next")
        yield* until(deliveries("delivered"), ({ length }) => length === 1, "the next one")
        yield* appendFirst(`delivery-${dead!.id}`, "NotificationDeliveryRetried", {
          deliveryId: dead!.id,
          channel: "ops"
        })
        yield* until(deliveries("delivered"), ({ length }) => length === 2, "both")
        assert.deepStrictEqual(
          state.taken.map(({ body }) => body.stepId),
          ["next", "load"]
        )
      }).pipe(Effect.scoped, Effect.provide(log))
  )

  it.effect("F49: one that is not taken holds up what follows of its run, and nothing else", () =>
    Effect.gen(function* () {
      const { state, url } = yield* receiver
      const isOtherTaken = () => state.taken.some(({ body }) => body.stepId === "other")
      state.answers = ({ body }) => (body.stepId === "s0" && !isOtherTaken() ? 503 : 200)
      yield* notifying(hook(url))
      yield* stepFails("r1", "orders", "s0")
      yield* stepFails("r1", "orders", "s1")
      yield* stepFails("r2", "orders", "other")
      yield* until(deliveries("delivered"), ({ length }) => length === 3, "all three")
      const steps = state.taken.map(({ body }) => body.stepId)
      assert.deepStrictEqual(steps, ["other", "s0", "s1"])
    }).pipe(Effect.scoped, Effect.provide(log))
  )

  it.effect("a message that the receiver refuses for good does not hold up the others", () =>
    Effect.gen(function* () {
      const { state, url } = yield* receiver
      state.answers = ({ body }) => (body.stepId === "bad" ? 422 : 200)
      yield* notifying(hook(url))
      yield* stepFails("r1", "orders", "bad")
      yield* stepFails("r1", "orders", "good")
      yield* until(deliveries("delivered"), ({ length }) => length === 1, "the good one")
      assert.deepInclude((yield* deliveries("dead"))[0], { attempts: 1 })
      assert.strictEqual(state.asked, 2)
    }).pipe(Effect.scoped, Effect.provide(log))
  )

  it.effect("F49: a storm becomes one digest that counts all of it", () =>
    Effect.gen(function* () {
      const { state, url } = yield* receiver
      state.answers = () => null
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* notifying(hook(url, { perMinute: 3 }))
          for (let run = 0; run < 40; run++) yield* stepFails(`r${run}`)
          yield* until(
            Effect.flatMap(Deliveries, ({ list }) => list({ status: "pending" }, { limit: 500 })),
            ({ data }) => data.length === 40,
            "40 that wait"
          )
        })
      )
      state.answers = () => 200
      yield* notifying(hook(url, { perMinute: 3 }))
      yield* until(deliveries("pending"), ({ length }) => length === 0, "nothing that waits")
      const digests = state.taken.filter(({ body }) => body.kind === "digest")
      assert.lengthOf(digests, 1)
      const [{ body }] = digests as [(typeof digests)[number]]
      const single = state.taken.length - 1
      assert.isAtMost(single, 3)
      assert.deepInclude(body, { message: `${40 - single} notifications came at once` })
      assert.deepStrictEqual(body.data.kinds, { step_failed: 40 - single })
      const told = [...state.taken.filter((one) => one.body.kind !== "digest").map((one) => one.body.id)]
      for (const one of body.data.notifications) told.push(one.id)
      assert.lengthOf(new Set(told), 40)
    }).pipe(Effect.scoped, Effect.provide(log))
  )

  it.effect("F49: routes choose the channels by workflow and kind", () =>
    Effect.gen(function* () {
      const [ops, night] = [yield* receiver, yield* receiver]
      const channel = (url: string) => ({ type: "webhook" as const, url, secret: { env: "S" }, perMinute })
      yield* notifying({
        channels: { ops: channel(ops.url), night: channel(night.url) },
        routes: [
          { kinds: ["needs_attention"], to: ["ops"] },
          { workflow: "report", to: ["ops", "night"] }
        ]
      })
      yield* stepFails("r1", "orders")
      yield* stepFails("r2", "report")
      yield* appendFirst("attention-x", "AttentionRaised", {
        ...{
          id: "store:lake",
          kind: "store",
          reasonCode: "store_wiped",
          message: "wiped",
          severity: "critical",
          count: 1
        }
      })
      yield* until(
        Effect.sync(() => ops.state.taken.length),
        (count) => count === 2,
        "two for ops"
      )
      assert.deepStrictEqual(
        ops.state.taken.map(({ body }) => [body.kind, body.runId]),
        [
          ["step_failed", "r2"],
          ["needs_attention", undefined]
        ]
      )
      yield* until(
        Effect.sync(() => night.state.taken.length),
        (count) => count === 1,
        "one for night"
      )
    }).pipe(Effect.scoped, Effect.provide(log))
  )

  it.effect("T14: show of their URLs and redirects the origins only, whatever an answer quotes", () =>
    Effect.gen(function* () {
      const { state, url } = yield* receiver
      state.says = "Cannot POST /hook/services/PATH-canary?key=QUERY%20canary or PATH-canary at /hook2/OTHER-canary"
      state.answers = () => (state.asked === 1 ? 307 : 400)
      state.location = "/hook2/OTHER-canary?key=SECRET-canary"
      yield* notifying(hook(`${url}/services/PATH-canary?key=QUERY%20canary`), { giveUpAfterMs: 100 })
      yield* stepFails("r1")
      const [dead] = yield* until(deliveries("dead"), ({ length }) => length === 1, "a dead letter")
      assert.strictEqual(
        dead!.error,
        `${new URL(url).origin}/… answered 400: Cannot POST [secret of the URL] or [secret of the URL] at [secret of the URL]`
      )
    }).pipe(Effect.scoped, Effect.provide(log))
  )

  it.effect("ask no private address that the app does not allow, not by a redirect either", () =>
    Effect.gen(function* () {
      const [first, inner] = [yield* receiver, yield* receiver]
      yield* notifying(hook(first.url), { giveUpAfterMs: 100, allow: "localhost" })
      yield* stepFails("r1")
      const [dead] = yield* until(deliveries("dead"), ({ length }) => length === 1, "a dead letter")
      assert.include(dead!.error, "no public address")
      assert.strictEqual(first.state.asked, 0)

      first.state.answers = () => 307
      first.state.location = inner.url
      const { host } = new URL(first.url)
      yield* notifying({ channels: { other: hook(first.url).channels.ops! } }, { giveUpAfterMs: 100, allow: host })
      yield* stepFails("r2")
      yield* until(deliveries("dead"), (all) => all.some(({ channel }) => channel === "other"), "another dead letter")
      assert.isAbove(first.state.asked, 0)
      assert.strictEqual(inner.state.asked, 0)
      const refused = (yield* deliveries("dead")).find(({ channel }) => channel === "other")
      assert.include(refused!.error, `${new URL(inner.url).origin}/… is not allowed`)
    }).pipe(Effect.scoped, Effect.provide(log))
  )
})
