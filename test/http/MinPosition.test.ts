import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { EventStore, Position } from "../../src/eventstore/EventStore.ts"
import { send } from "./Harness.ts"
import { issue, served } from "./realEngine.ts"

const nap = { steps: [{ id: "nap", jobSlug: "nap" }] }
const jobs = [{ slug: "nap", run: async () => ({}) }]

/** One more event, a moment from now. */
const later = Effect.delay(issue("viewer"), "300 millis")

/** The position that the log has after one event more. */
const following = Effect.map(
  Effect.flatMap(EventStore, ({ head }) => head),
  (head) => Position.make(head.slice(0, -16) + (BigInt(`0x${head.slice(-16)}`) + 1n).toString(16).padStart(16, "0"))
)

describe("a list that is always current", () => {
  it.live("answers at once when the log has reached minPosition, and else when it has", () =>
    served(
      { jobs, workflows: { naps: nap } },
      Effect.gen(function* () {
        const started = yield* send("POST", "/api/v1/workflows/naps/run", { body: "{}" })
        const { id } = started.json.data as { readonly id: string }
        const paths = ["workflows", `runs/${id}/events`, "admin/tokens", "bus/dead-letters", "integrity/findings"]
        for (const path of paths) {
          const known = yield* send("GET", `/api/v1/${path}?minPosition=${started.json.position}`)
          assert.strictEqual(known.status, 200, `${path}: ${known.text}`)
          const position = yield* following
          const waiting = yield* Effect.forkChild(send("GET", `/api/v1/${path}?minPosition=${position}`))
          yield* later
          const answer = yield* Fiber.join(waiting)
          assert.strictEqual(answer.status, 200, `${path}: ${answer.text}`)
        }
        const position = yield* following
        const tokens = yield* Effect.forkChild(send("GET", `/api/v1/admin/tokens?minPosition=${position}&limit=500`))
        const { id: token } = yield* later
        assert.include((yield* Fiber.join(tokens)).text, token, "what it waited for is in it")
      })
    )
  )
})
