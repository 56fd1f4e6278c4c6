import { Clock, Console, Effect, Redacted, type Scope } from "effect"
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as AdminToken from "./AdminToken.ts"
import { type Act, acts, sinceMs, type Stage } from "./DemoActs.ts"
import * as DemoClient from "./DemoClient.ts"
import { DemoFailed } from "./DemoClient.ts"
import * as DemoFeed from "./DemoFeed.ts"
import * as DemoNarrator from "./DemoNarrator.ts"
import * as DemoScreen from "./DemoScreen.ts"
import { type DemoTally, tally } from "./DemoTally.ts"

export interface DemoOptions {
  /** Leaves the server up at the end, until the process is told to stop. */
  readonly keep: boolean
  /** Default: a free one. */
  readonly port?: number | undefined
  /** Default: a temporary folder, removed at the end. The observatory and its stores lie in it, too. */
  readonly dataDir?: string | undefined
}

/** Starts a server for the app module `app`, which runs until the scope closes. */
export type StartServer<E, R> = (settings: {
  readonly app: string
  readonly port: number
  readonly dataDir: string
}) => Effect.Effect<
  {
    readonly url: string
    readonly token: Redacted.Redacted
    /** What the app's store paths are relative to. */
    readonly baseDir: string
  },
  E,
  R
>

interface Played {
  readonly act: Act
  readonly tally: DemoTally
  readonly broken: ReadonlyArray<string>
}

/**
 * Plays the observatory's five acts on a server of its own, and tells them as they happen. Fails with `DemoFailed`,
 * naming every expectation that did not hold.
 */
export const run = Effect.fn("Demo.run")(function* <E, R>(
  options: DemoOptions,
  startServer: StartServer<E, R>
): Effect.fn.Return<void, DemoFailed | E, Exclude<R, Scope.Scope>> {
  return yield* Effect.scoped(perform(options, startServer))
})

const perform = Effect.fnUntraced(function* <E, R>(options: DemoOptions, startServer: StartServer<E, R>) {
  const startedAt = yield* Clock.currentTimeMillis
  const screen = DemoScreen.make({ colours: process.stdout.isTTY === true && !process.env.NO_COLOR })
  const dataDir = options.dataDir ?? (yield* temporaryFolder(options.keep))
  const app = yield* installObservatory(dataDir)
  const server = yield* startServer({ app, port: options.port ?? 0, dataDir })
  const seconds = ((yield* sinceMs(startedAt)) / 1000).toFixed(1)
  yield* Console.log(`Kintsugi listens on ${server.url}, its own Postgres beside it, after ${seconds} s.`)
  yield* Console.log(`The observatory's files: ${join(server.baseDir, "data")}\nTimes are seconds since the act began.`)

  const client = DemoClient.make(server)
  const narrator = DemoNarrator.make()
  let actStartedAt = startedAt
  const feed = yield* DemoFeed.make(client, (seen) =>
    Effect.forEach(narrator.tell(seen), (line) => screen.line(seen.at - actStartedAt, line), { discard: true })
  )
  const stage: Stage = {
    client,
    feed,
    storeFolder: (store) => join(server.baseDir, "data", store),
    hand: (text) =>
      Effect.flatMap(sinceMs(actStartedAt), (atMs) => screen.line(atMs, { tone: "hand", word: "WE", text })),
    runs: new Map()
  }

  const played: Array<Played> = []
  for (const [index, act] of acts.entries()) {
    yield* screen.heading(`${index + 1}  ${act.title}`)
    yield* screen.note(act.about)
    actStartedAt = yield* Clock.currentTimeMillis
    narrator.nextAct()
    const from = feed.count()
    const stuck = yield* Effect.match(act.play(stage), { onFailure: ({ message }) => message, onSuccess: () => null })
    const counted = tally(feed.since(from))
    const atMs = yield* sinceMs(actStartedAt)
    const expected = act.expects(counted)
    const held = expected.filter(({ held }) => held).map(({ text }) => text)
    yield* screen.line(atMs, { tone: "good", word: "counted", text: held.join("; ") })
    const broken = expected.filter(({ held }) => !held).map(({ text }) => text)
    if (stuck !== null) broken.unshift(stuck)
    for (const text of broken) yield* screen.line(atMs, { tone: "loss", word: "NOT SO", text })
    played.push({ act, tally: counted, broken: broken.map((text) => `act ${index + 1}: ${text}`) })
    // The next act would begin among what this one has left behind.
    if (stuck !== null) break
  }

  yield* summary(screen, played)
  const totalSeconds = ((yield* sinceMs(startedAt)) / 1000).toFixed(1)
  const broken = played.flatMap((each) => each.broken)
  if (broken.length > 0) {
    const list = broken.map((text) => `  ${text}`).join("\n")
    const message = `after ${totalSeconds} s, ${broken.length} expectations did not hold:\n${list}`
    return yield* new DemoFailed({ message })
  }
  const runs = played.reduce((total, each) => total + each.tally.runs, 0)
  yield* Console.log(`\nAll ${runs} runs succeeded in ${totalSeconds} s, start of the server included.`)
  yield* Console.log("Nobody retried, repaired or restarted anything: the hand that you saw only took things away.")
  if (!options.keep) return
  const kept = yield* Effect.orElseSucceed(AdminToken.find(dataDir), () => null)
  const isInFile = kept !== null && Redacted.value(kept) === Redacted.value(server.token)
  yield* Console.log(`\nThe server stays at ${server.url} until Ctrl-C. Try GET ${server.url}/api/v1/recoveries.`)
  yield* Console.log(
    `The token is ${isInFile ? `in ${AdminToken.fileOf(dataDir)}` : "the one in KINTSUGI_ADMIN_TOKEN"}.`
  )
  return yield* Effect.never
})

const summary = (screen: DemoScreen.DemoScreen, played: ReadonlyArray<Played>) =>
  screen.table(
    ["act", "runs", "losses", "recoveries", "producer runs", "steps waited", "back after"],
    played.map(({ act, tally }) => [
      act.short,
      String(tally.runs),
      String(tally.losses),
      String(tally.recoveries),
      String(tally.producerRuns),
      String(tally.waited),
      tally.healMs === null ? "-" : `${(tally.healMs / 1000).toFixed(2)} s`
    ])
  )

// ------------------------------------------------------------------- folder

const attempt = <A>(what: string, work: () => Promise<A>) =>
  Effect.tryPromise({ try: work, catch: (cause) => new DemoFailed({ message: `${what}: ${String(cause)}`, cause }) })

/** The database's own user must pass through it, which a folder that is only ours would not allow. */
const temporaryFolder = (keep: boolean) =>
  Effect.acquireRelease(
    attempt("making a temporary folder", async () => {
      const folder = await mkdtemp(join(tmpdir(), "kintsugi-demo-"))
      await chmod(folder, 0o755)
      return folder
    }),
    (folder) => (keep ? Effect.void : Effect.ignore(attempt("removing it", () => rm(folder, { recursive: true }))))
  )

/**
 * The example as a user would have it: in a folder of its own, so that its stores lie there and nowhere else. Its app
 * without a clock is played: a schedule or an expiry in the middle of an act would be counted as the act's.
 */
const installObservatory = (dataDir: string) =>
  attempt("copying the observatory", async () => {
    const folder = join(dataDir, "observatory")
    const example = fileURLToPath(new URL("../../examples/observatory", import.meta.url))
    await mkdir(folder, { recursive: true })
    await cp(example, folder, { recursive: true, filter: (path) => path !== join(example, "data") })
    await writeFile(join(folder, "package.json"), `${JSON.stringify({ private: true, type: "module" })}\n`)
    return join(folder, "demo.ts")
  })
