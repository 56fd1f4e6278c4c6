import { rmSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { token as adminToken } from "../chaos/serverProcess.ts"
import { answerMsMax, jsonOf, secretsOf } from "./oracle.ts"
import { plain, type Tokens } from "./requests.ts"
import { exchange } from "./transport.ts"
import * as World from "./world.ts"

/** Roles, and some history: runs of every end, a lost file that is made again, a backfill, a check. */
export const inhabited = async (url: string, folder: string) => {
  const admin = { admin: adminToken, wrong: "wrong-token", operator: "", viewer: "" }
  const spared = new Set<string>()
  const send = async (method: string, path: string, body: object): Promise<Readonly<Record<string, unknown>>> => {
    const answer = await exchange(
      url,
      plain(admin, "admin", method, path, Buffer.from(JSON.stringify(body))),
      answerMsMax
    )
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
    return (jsonOf(answer) as { readonly data: Readonly<Record<string, unknown>> }).data
  }
  const issued = async (role: "operator" | "viewer"): Promise<string> => {
    const { id, token } = await send("POST", "/api/v1/admin/tokens", { role, name: role })
    spared.add(String(id))
    return String(token)
  }
  const tokens: Tokens = { ...admin, operator: await issued("operator"), viewer: await issued("viewer") }
  const world = World.make(spared)
  for (const token of [tokens.admin, tokens.operator, tokens.viewer]) world.secrets.push(...secretsOf(token))
  named(world)

  const run = async (slug: string, body: object) => {
    const { id } = await send("POST", `/api/v1/workflows/${slug}/run`, body)
    world.add("run", String(id))
    return String(id)
  }
  const ended = async (id: string) => {
    for (let tries = 0; tries < 100; tries++) {
      const answer = await exchange(url, plain(tokens, "admin", "GET", `/api/v1/runs/${id}`), answerMsMax)
      if (/"status":"(succeeded|failed|canceled)"/.test(answer.text)) return
      await sleep(50)
    }
  }
  const first = [
    run("made", { partitionKey: "a" }),
    run("crawl", { partitionKey: "a" }),
    run("crawl", { partitionKey: "a", parameters: { secret: "to be redacted" } }),
    run("moody", {}),
    run("feed", {})
  ]
  await Promise.all(first.map(async (id) => ended(await id)))
  const fed = { locations: [{ store: "lake", key: "fed.txt" }], source: "elsewhere", eventId: "first" }
  for (const assetId of ["fed", "called"]) await send("POST", `/api/v1/assets/${assetId}/produced`, fed)
  // Whoever consumes them has them made again, or asks for them.
  for (const lost of ["raw/a.txt", "mood.txt", "fed.txt"]) rmSync(join(folder, "lake", lost), { force: true })
  await run("used", { partitionKey: "a" })
  await run("asking", {})
  for (const slug of ["failing", "failing", "slowly", "slowly"]) await run(slug, {})
  const backfill = await send("POST", "/api/v1/backfills", { workflow: "made", partitions: { keys: ["b", "c"] } })
  world.add("backfill", String(backfill.id))
  const spare = await send("POST", "/api/v1/admin/tokens", { role: "viewer", name: "spare" })
  world.add("token", String(spare.id))
  world.secrets.push(...secretsOf(String(spare.token)))
  await send("POST", "/api/v1/integrity/checks", {})
  return { tokens, world }
}

/** What the app has, by name. */
const named = (world: World.World): void => {
  for (const key of ["a", "b", "c"]) world.add("partition", key)
  for (const [slug, assetId, partitions] of produced) {
    world.add("workflow", slug)
    world.add("asset", assetId)
    for (const key of partitions) {
      world.add("place.partition", World.placeText({ slug, assetId, key, partitionKey: key }))
    }
    if (partitions.length === 0) world.add("place.asset", World.placeText({ slug, assetId }))
  }
  for (const slug of ["reading", "asking", "failing", "slowly", "fuzz-1", "fuzz-2"]) world.add("workflow", slug)
  for (const step of ["make", "use", "quick", "fails", "slow", "first"]) world.add("step", step)
  for (const generation of ["1", "2", "3"]) world.add("generation", generation)
  // A mute lasts 90 days at most, and a token ends in the future of the server, whose clock no seed sets.
  for (const ms of [60_000, 86_400_000]) world.add("soon", new Date(Date.now() + ms).toISOString())
  world.add("store", "lake")
}

const abc = ["a", "b", "c"]
const produced: ReadonlyArray<readonly [slug: string, assetId: string, partitions: ReadonlyArray<string>]> = [
  ["made", "raw", abc],
  ["used", "table", abc],
  ["crawl", "pages", abc],
  ["moody", "mood", []],
  ["asking", "fed", []]
]
