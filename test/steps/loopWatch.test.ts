import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { defineJob } from "../../src/index.ts"
import { stepFor } from "../support/chainApp.ts"
import { ended, gate, play, start, stepIs, succeeded, until } from "../support/engine.ts"

/** Keeps the loop to itself, as a job that computes for long does. */
const blocks = defineJob({
  slug: "block",
  run: async () => {
    const endsAt = performance.now() + 2_600
    while (performance.now() < endsAt);
  }
})
const quick = defineJob({ slug: "quick", run: async () => {} })
const workflows = {
  // `after` begins in the same turn of the loop in which the block ends.
  blocks: { steps: [stepFor("block"), { ...stepFor("quick"), id: "after", dependsOn: ["block"] }] },
  quicks: { steps: [stepFor("quick")] },
  waits: { steps: [stepFor("wait")] }
}

const watching = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
  const told = Effect.sync(() => lines.filter((line) => line.includes("the event loop was blocked")))
  return {
    layer,
    line: Effect.map(
      until(told, (found) => found.length > 0, "line about the loop"),
      ([line]) => line!
    )
  }
}

describe("a blocked event loop", () => {
  it.live("is told with the step that blocked it, which has ended by then, and with none that began after it", () => {
    const { layer, line } = watching()
    return play({ jobs: [blocks, quick], workflows: { blocks: workflows.blocks, quicks: workflows.quicks } }, () =>
      Effect.gen(function* () {
        yield* succeeded("quicks")
        yield* Effect.sleep("600 millis")
        const { id } = yield* start("blocks")
        yield* ended(id)
        const told = yield* line
        assert.match(told, new RegExp(`^the event loop was blocked for \\d+ ms by blocks/block \\(run ${id}\\)$`))
      })
    ).pipe(Effect.provide(layer))
  })

  it.live("is told with all that executed when it began, as one of them, since nobody can say which", () => {
    const { layer, line } = watching()
    const door = gate()
    const wait = defineJob({ slug: "wait", run: () => door.pass() })
    return play({ jobs: [blocks, quick, wait], workflows }, () =>
      Effect.gen(function* () {
        const waiting = yield* start("waits")
        yield* stepIs(waiting.id, "wait", "running")
        yield* Effect.sleep("600 millis")
        const { id } = yield* start("blocks")
        yield* ended(id)
        assert.include(yield* line, `by one of waits/wait (run ${waiting.id}), blocks/block (run ${id})`)
        door.open()
        yield* ended(waiting.id)
      })
    ).pipe(Effect.provide(layer))
  })
})
