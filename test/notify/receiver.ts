import { createServer, type IncomingHttpHeaders } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"
import type { NewEvent } from "../../src/eventstore/EventStore.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"

export interface Received {
  readonly headers: IncomingHttpHeaders
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: a message's JSON, of which each assertion says what it has to be
  readonly body: any
}

/** A webhook's receiver on a free port, closed with the scope; `answers` says with what, `null` breaks off. */
export const receiver = Effect.gen(function* () {
  const state = {
    answers: (_: Received): number | null => 200,
    location: "",
    says: "told",
    taken: [] as Array<Received>,
    asked: 0
  }
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      state.asked++
      const text = Buffer.concat(chunks).toString("utf8")
      const received = { headers: request.headers, text, body: text === "" ? null : JSON.parse(text) }
      const status = state.answers(received)
      if (status === null) return void request.socket.destroy()
      if (status >= 200 && status < 300) state.taken.push(received)
      response.writeHead(status, state.location === "" ? {} : { location: state.location }).end(state.says)
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  return { state, url }
})

const event = (type: string, data: object): NewEvent => ({
  ...{ type, schemaVersion: 1, payload: JSON.stringify(data), metadata: {}, recordedAt: 1_767_225_600_000, hash: "00" }
})

/** Appends to a run's stream: its request if it has none, and one step that failed for good after retries. */
export const stepFails = Effect.fnUntraced(function* (runId: string, workflow = "orders", stepId = "load") {
  const log = yield* EventStore
  const before = yield* log.read(`run-${runId}`, 0)
  const failure = { class: "transient", code: "timeout", message: "took too long" }
  const failed = event("StepFailed", { stepId, attempt: 4, failure, final: true })
  const requested = event("RunRequested", { runId, workflow, version: 1, parameters: {}, trigger: { type: "manual" } })
  yield* log.append({
    streamName: `run-${runId}`,
    expectedVersion: before.length,
    events: before.length === 0 ? [requested, failed] : [failed],
    wakeAt: null,
    waitsOn: null
  })
})

/** Appends one event to a stream that has none. */
export const appendFirst = Effect.fnUntraced(function* (streamName: string, type: string, data: object) {
  const log = yield* EventStore
  yield* log.append({ streamName, expectedVersion: 0, events: [event(type, data)], wakeAt: null, waitsOn: null })
})
