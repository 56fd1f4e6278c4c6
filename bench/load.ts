import { Agent, get } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"

/** Sends GET requests over connections that stay open; the text of a good answer. */
export const makeGet = (url: string, headers: Record<string, string>) => {
  // Left before the server leaves them, which it does after 5 s: what is sent at that moment is lost.
  const agent = new Agent({ keepAlive: true, maxSockets: 64, noDelay: true, timeout: 3_000 } as ConstructorParameters<
    typeof Agent
  >[0])
  const ask = (path: string) =>
    new Promise<string>((resolve, reject) => {
      get(`${url}${path}`, { agent, headers }, (response) => {
        let text = ""
        response.setEncoding("utf8")
        response.on("data", (chunk) => {
          text += chunk
        })
        response.on("error", reject)
        response.on("end", () =>
          response.statusCode === 200
            ? resolve(text)
            : reject(new Error(`GET ${path}: ${response.statusCode} ${text.slice(0, 500)}`))
        )
      }).on("error", reject)
    })
  return { ask, close: () => agent.destroy() }
}

/**
 * Calls each of `requests` by turns, `perSecond` in all, whether the ones before have been answered or not; ms from
 * when each was due to its answer, by its name. So a stall shows in every request that it delays.
 */
export const atRate = async (
  requests: ReadonlyArray<readonly [name: string, send: () => Promise<unknown>]>,
  perSecond: number,
  seconds: number
): Promise<ReadonlyMap<string, ReadonlyArray<number>>> => {
  const latencies = new Map<string, Array<number>>(requests.map(([name]) => [name, []]))
  const pending: Array<Promise<unknown>> = []
  const begun = performance.now()
  for (let nth = 0; nth < perSecond * seconds; nth++) {
    const due = begun + (nth * 1_000) / perSecond
    const early = due - performance.now()
    if (early > 1) await sleep(early)
    const [name, send] = requests[nth % requests.length]!
    pending.push(send().then(() => latencies.get(name)!.push(performance.now() - due)))
  }
  await Promise.all(pending)
  return latencies
}
