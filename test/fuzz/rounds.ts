import fc from "fast-check"
import { setTimeout as sleep } from "node:timers/promises"
import { announced } from "./definitions.ts"
import { operations } from "./document.ts"
import { jsonOf } from "./oracle.ts"
import { poison, poisoned } from "./poison.ts"
import { fitting, type FuzzRequest, plain, type Tokens } from "./requests.ts"
import type { Surroundings } from "./surroundings.ts"
import { neverDone, type Tally } from "./tally.ts"
import type { RawAnswer } from "./transport.ts"
import type { World } from "./world.ts"

export type Ask = (request: FuzzRequest, at: string) => Promise<RawAnswer>

/** Who looks around and insists, and what is known so far. */
export interface Round {
  readonly world: World
  readonly tokens: Tokens
  readonly ask: Ask
  readonly around: Surroundings
}

/** Lists that show what is where now, so that commands can be made that fit. */
const lookedAt = [
  ...["/api/v1/runs?status=running", "/api/v1/runs?status=failed", "/api/v1/recoveries", "/api/v1/backfills"],
  ...["/api/v1/bulk", "/api/v1/notifications/deliveries?status=dead", "/api/v1/bus/dead-letters?limit=5"],
  ...["/api/v1/admin/projections", "/api/v1/admin/attention?limit=20", "/api/v1/runs?status=waiting"],
  "/api/v1/stores/lake/objects"
]

/** One of the lists, and one run with its events. `turn` chooses which. */
export const looked = async (round: Round, turn: number): Promise<void> => {
  const { ask, tokens, world } = round
  const get = (path: string) => ask(plain(tokens, "admin", "GET", path), "a look around")
  await get(lookedAt[turn % lookedAt.length]!)
  const id = world.pickOf(["run.running", "run.failed", "run.succeeded"], turn)
  if (id === undefined) return
  await get(`/api/v1/runs/${id}`)
  await get(`/api/v1/runs/${id}/events`)
}

/** After so many rounds an operation that is not answered with success will not be. */
const roundsMax = 25

/**
 * Chance leaves some operations refused each time: those are asked for again by an admin with what should fit, until each
 * has succeeded once.
 */
export const insisted = async (round: Round, tally: Tally, seed: number): Promise<void> => {
  for (let turn = 0; turn < roundsMax && neverDone(tally).length > 0; turn++) {
    const missing = neverDone(tally)
    await provided(
      round,
      missing.some(({ id }) => id === "projections.skipProjectionEvent")
    )
    await Promise.all(lookedAt.map((_, view) => looked(round, view)))
    for (const { id } of missing) {
      for (const wanted of [before[id], id]) {
        const operation = operations.find((one) => one.id === wanted)
        if (operation === undefined) continue
        const made = fc.sample(fitting(round.world, round.tokens, operation), { seed: seed + turn, numRuns: 2 })
        for (const request of made) await round.ask(request, `insisting, round ${turn}`)
      }
    }
  }
}

/** What brings a thing into the state that an operation needs. */
const before: Readonly<Record<string, string>> = {
  "steering.resumeRun": "steering.pauseRun",
  "steering.resumeRecovery": "steering.pauseRecovery",
  "backfills.resumeBackfill": "backfills.pauseBackfill"
}

/** Something of every kind that can be steered: what goes on, what fails, what is asked of many, what stops a list. */
const provided = async ({ around, ask, tokens }: Round, isPoisonWanted: boolean): Promise<void> => {
  const post = (path: string, body: object) =>
    ask(plain(tokens, "admin", "POST", path, Buffer.from(JSON.stringify(body))), "providing")
  for (const slug of ["slowly", "failing"]) await post(`/api/v1/workflows/${slug}/run`, {})
  await post("/api/v1/backfills", { workflow: "crawl", partitions: "all", concurrency: 1 })
  const slowly = { limit: 4, ratePerSecond: 1, reason: "one by one" }
  await post("/api/v1/bulk", { action: "replay", filter: { workflow: "failing" }, ...slowly })
  await post("/api/v1/admin/tokens", { role: "viewer", name: "spare" })
  // What another system has made is lost: whoever asks for it waits for a recovery.
  around.put("lost.txt")
  const lost = { locations: [{ store: "lake", key: "lost.txt" }] }
  await post(`/api/v1/assets/${announced}/produced`, lost)
  around.lose("lost.txt")
  await post("/api/v1/workflows/asking/run", {})
  if (isPoisonWanted) await post("/api/v1/bulk", { action: "pause", all: true, limit: 1, reason: poison })
  // Until the failures have failed and the read models have seen it.
  await sleep(500)
}

/** So many events of the poison are skipped before the read model has to go on. */
const skipsMax = 60

/** Skips what the read model stopped at, again and again; null: it goes on, otherwise why it does not. */
export const unpoisoned = async ({ ask, tokens }: Round): Promise<string | null> => {
  let last = ""
  for (let skips = 0; skips < skipsMax; skips++) {
    const answer = await ask(plain(tokens, "admin", "GET", "/api/v1/admin/projections"), "unpoisoning")
    const listed = jsonOf(answer) as { readonly data?: { readonly projections: ReadonlyArray<Parked> } } | undefined
    const parked = listed?.data?.projections.find(({ name }) => name === poisoned)
    if (parked === undefined) return `${poisoned} is not listed: ${answer.status} ${answer.text.slice(0, 300)}`
    if (parked.error === null && parked.lagEvents === 0) return null
    last = JSON.stringify(parked)
    if (parked.errorPosition !== null) {
      const body = Buffer.from(JSON.stringify({ position: parked.errorPosition, reason: "poison" }))
      await ask(plain(tokens, "admin", "POST", `/api/v1/admin/projections/${poisoned}/skip`, body), "unpoisoning")
    }
    await sleep(250)
  }
  return `${poisoned} does not go on: ${last}`
}

interface Parked {
  readonly name: string
  readonly error: string | null
  readonly errorPosition: string | null
  readonly lagEvents: number | null
}
