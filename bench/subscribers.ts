import { Agent, type ClientRequest, get } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { Effect } from "effect"
import { temporaryFolder } from "./engine.ts"
import { percentile } from "./measure.ts"
import { headers, serve } from "./server.ts"

const subscribersDefault = 1_000
const perSecond = 20
const secondsDefault = 20
/** Connections that are opened at once. */
const openedAtOnce = 50
const warmUpMs = 2_000
const endMsMax = 10_000

const mark = Buffer.from('"recordedAt":"')
const timeChars = "2026-01-01T00:00:00.000Z".length

interface Subscriber {
  readonly request: ClientRequest
  /** Events of the asset that came. */
  count: number
}

/** Follows the log; `onEvents` is told when the events in what has just come were recorded, as ISO times. */
const subscribe = (url: string, agent: Agent, onEvents: (times: ReadonlyArray<string>) => void) =>
  new Promise<Subscriber>((resolve, reject) => {
    const request = get(`${url}/api/v1/events/stream?type=AssetProduced`, { agent, headers }, (response) => {
      if (response.statusCode !== 200) return reject(new Error(`a subscriber was answered ${response.statusCode}`))
      // A time that is cut in two is found when its other half has come.
      let rest: Buffer = Buffer.alloc(0)
      response.on("data", (chunk: Buffer) => {
        const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
        const times: Array<string> = []
        let from = 0
        for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, from)) {
          if (at + mark.length + timeChars > bytes.length) break
          from = at + mark.length + timeChars
          times.push(bytes.toString("latin1", at + mark.length, from))
        }
        rest = Buffer.from(bytes.subarray(Math.max(from, bytes.length - mark.length - timeChars)))
        subscriber.count += times.length
        if (times.length > 0) onEvents(times)
      })
      response.on("error", () => {})
      resolve(subscriber)
    })
    const subscriber: Subscriber = { request, count: 0 }
    request.on("error", reject)
  })

/** How long an event takes from the log to each of many clients that follow it; the floor is one client alone. */
export const measure = (options: { readonly subscribers?: number; readonly seconds?: number } = {}) =>
  Effect.scoped(
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const { url } = yield* serve({ dataDir })
      const seconds = options.seconds ?? secondsDefault
      const alone = yield* Effect.promise(() => follow(url, 1, seconds / 4))
      const all = yield* Effect.promise(() => follow(url, options.subscribers ?? subscribersDefault, seconds))
      return { subscribers: options.subscribers ?? subscribersDefault, perSecond, alone, all }
    })
  )

const follow = async (url: string, count: number, seconds: number) => {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY })
  const latencies: Array<number> = []
  let isCounting = false
  const onEvents = (times: ReadonlyArray<string>) => {
    // The server stamps its events by the same clock of the machine.
    const now = Date.now()
    if (isCounting) for (const time of times) latencies.push(now - Date.parse(time))
  }
  const subscribers: Array<Subscriber> = []
  while (subscribers.length < count) {
    const more = Math.min(openedAtOnce, count - subscribers.length)
    subscribers.push(...(await Promise.all(Array.from({ length: more }, () => subscribe(url, agent, onEvents)))))
  }
  // Followers begin at the head of the moment at which they come.
  const produce = async () => {
    const answer = await fetch(`${url}/api/v1/assets/bench.source/produced`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify({ payload: { at: performance.now() } })
    })
    if (answer.status !== 202) throw new Error(`a production was answered ${answer.status}: ${await answer.text()}`)
    await answer.text()
  }
  const atRate = async (forMs: number) => {
    const begun = performance.now()
    const sent: Array<Promise<void>> = []
    for (let nth = 0; nth < (forMs * perSecond) / 1_000; nth++) {
      const early = begun + (nth * 1_000) / perSecond - performance.now()
      if (early > 1) await sleep(early)
      sent.push(produce())
    }
    await Promise.all(sent)
    return sent.length
  }
  let sent = await atRate(warmUpMs)
  isCounting = true
  sent += await atRate(seconds * 1_000)
  const due = performance.now() + endMsMax
  while (subscribers.some((one) => one.count < sent) && performance.now() < due) await sleep(50)
  const missed = subscribers.filter((one) => one.count !== sent).length
  for (const { request } of subscribers) request.destroy()
  agent.destroy()
  if (missed > 0) throw new Error(`${missed} of ${count} subscribers did not see each of ${sent} events once`)
  return { events: sent, p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) }
}
