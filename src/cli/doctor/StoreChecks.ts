import { Clock, Effect, Random } from "effect"
import type { ObjectStore } from "../../capabilities/ObjectStore.ts"
import { type StoreConfig, onWiped } from "../../capabilities/StoreConfig.ts"
import * as DatabaseChecks from "./DatabaseChecks.ts"
import { error, type Finding, ok, skipped, warning } from "./Finding.ts"

/** Whether the log knows that a store was used; null: the log could not be asked. */
export type WasUsed = (store: string) => boolean | null

/**
 * Whether a store answers, bears its marker and takes a write. What is written is an object of the doctor's own, which it
 * takes away again; a store that is not ready is not written to at all.
 */
export const store = (driver: ObjectStore, config: StoreConfig, wasUsed: WasUsed): Effect.Effect<Finding> => {
  const { name } = driver
  const check = `store ${name}`
  return Effect.matchEffect(driver.probe, {
    onFailure: ({ failure }) => {
      if (wasUsed(name) === false && isMadeAtFirstUse(config, failure.code)) {
        return Effect.succeed(ok(check, "not used yet; it is made at its first use"))
      }
      const why = "steps that need it wait, and nothing in it is healed meanwhile"
      return Effect.succeed(error(check, `does not answer: ${failure.message}`, why, mending(config)))
    },
    onSuccess: ({ status }) =>
      status === "ready" ? writable(driver, check) : Effect.succeed(wiped(check, config, name, wasUsed))
  })
}

/** Its root is what is missing, and not the way to it. */
const isMadeAtFirstUse = (config: StoreConfig, code: string): boolean =>
  config.type === "folder" ? code === "root_missing" : code === "bucket_missing" && config.createBucket === true

const mending = (config: StoreConfig): string =>
  config.type === "folder"
    ? `mount or make the folder ${config.path}, then kintsugi doctor`
    : "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the store's endpoint right, then kintsugi doctor"

const wiped = (check: string, config: StoreConfig, name: string, wasUsed: WasUsed): Finding => {
  const used = wasUsed(name)
  if (used === null)
    return skipped(check, "bears no marker; whether it ever did is in the log, which could not be asked")
  if (!used) return ok(check, "answers, and is not used yet")
  const what = "answers without its marker .kintsugi/store: it was emptied, or something else is mounted there"
  if (onWiped(config) === "heal") {
    const why = "everything that it held is made again, which is wrong if a disk is only not mounted"
    return warning(check, what, why, "mount the right disk; if it is really empty: kintsugi attention")
  }
  const why = "its onWiped is wait: steps wait until somebody has looked"
  return error(check, what, why, "mount the right disk, or set onWiped to heal and restart kintsugi serve")
}

const writable = (driver: ObjectStore, check: string): Effect.Effect<Finding> =>
  Effect.gen(function* () {
    const key = `.kintsugi-doctor/${yield* Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER)}`
    yield* driver.write(key, new TextEncoder().encode("kintsugi doctor\n"))
    yield* driver.delete(key)
    return ok(check, "answers, bears its marker and takes a write")
  }).pipe(
    Effect.catch(({ failure }) => {
      const why = "steps that write there fail; a store that is only read may stay so"
      const command = "grant this process to write and to delete there"
      return Effect.succeed(warning(check, `takes no write: ${failure.message}`, why, command))
    })
  )

/** How far the clock of an S3 server is from ours: by 15 minutes it refuses every request. */
export const clock = (name: string, endpoint: string): Effect.Effect<Finding> => {
  const check = `store ${name} clock`
  return Effect.gen(function* () {
    const beganMs = yield* Clock.currentTimeMillis
    const response = yield* Effect.tryPromise((signal) => fetch(endpoint, { method: "HEAD", signal }))
    const endedMs = yield* Clock.currentTimeMillis
    const theirsMs = Date.parse(response.headers.get("date") ?? "")
    if (Number.isNaN(theirsMs)) return skipped(check, "its answers bear no date")
    // The header has no fractions of a second.
    return DatabaseChecks.skew(check, theirsMs + Math.min(999, Math.max(0, endedMs - theirsMs)), beganMs, endedMs, name)
  }).pipe(
    Effect.timeout("5 seconds"),
    Effect.catch(() => Effect.succeed(skipped(check, "it does not answer")))
  )
}
