import { Clock, Duration, Effect, Random, Result } from "effect"
import * as Asset from "../domain/Asset.ts"
import { assetName, type Failure } from "../domain/Failure.ts"
import type { Rejection, Unstamped } from "../domain/recovery/RecoveryDecide.ts"
import type { State } from "../domain/recovery/RecoveryState.ts"
import { shownPartition } from "../domain/run/RunView.ts"
import { otherBytes } from "./AnnouncedBytes.ts"
import { AssetCheck, type Reality } from "./AssetCheck.ts"
import type { Commit } from "./Behaviour.ts"
import { App } from "./job/App.ts"
import * as SourceWebhook from "./job/SourceWebhook.ts"
import { Sources } from "./Sources.ts"
import { StoreHealth } from "./StoreHealth.ts"

/** How often the log is asked whether the asset was announced: at first, and at most so far apart. */
const readEveryMs = { first: 50, most: 2_000 }
/** How often the store is asked whether the lost object is there again. */
const probeEveryMs = { first: 500, most: 30_000 }
const growth = 1.5

type Send = Commit<State, Unstamped, Rejection>

/** Whether nothing has to be made: a lost generation is there after all, or there is a newer one than the one too old. */
export const isThere = ({ lostGeneration, refresh }: State, { state, status }: Reality): boolean =>
  status === "present" && (!refresh || Asset.currentGeneration(state) > lostGeneration)

/** What a Recovery does whose asset comes from a declared source: it asks, and waits for the announcement. */
export const make = Effect.gen(function* () {
  const assets = yield* AssetCheck
  const health = yield* StoreHealth
  const sources = yield* Sources
  const { http } = yield* App

  const check = ({ assetId, partitionKey, recoveryId }: State) =>
    assets.check({ assetId, partitionKey }, { reportedBy: recoveryId })

  /** Calls the webhook; told as one call for each attempt, also when a crash makes it two. */
  const ask = Effect.fnUntraced(function* (recovery: State, attempt: number, commit: Send) {
    const { assetId, lostGeneration, partitionKey, recoveryId, round } = recovery
    const source = sources.of(assetId)
    if (source?.recheck.webhook === undefined) {
      const message = `${assetName(recovery)} cannot be recovered: the app no longer declares a webhook for it`
      const failure: Failure = {
        class: "asset_missing",
        code: "source_asset",
        message,
        asset: { assetId, partitionKey }
      }
      return yield* commit({ _tag: "Reject", round, reasonCode: "source_asset", failure })
    }
    const asked = { assetId, partitionKey: shownPartition(partitionKey), lostGeneration, recoveryId }
    const called = yield* Effect.result(SourceWebhook.call(http, source, asked, `${recoveryId}-${round}-${attempt}`))
    return Result.isSuccess(called)
      ? yield* commit({ _tag: "ConfirmStart", attempt })
      : yield* commit({ _tag: "FailAsking", attempt, failure: called.failure, random: yield* Random.next })
  })

  /**
   * Waits until a newer generation is recorded, or the lost one is there again, byte for byte. It looks by itself, so
   * that nothing depends on a message; the end of the attempt's time interrupts it.
   */
  const wait = Effect.fnUntraced(function* (recovery: State, commit: Send) {
    const { assetId, lostGeneration, partitionKey, refresh, round } = recovery
    let readMs = readEveryMs.first
    let probeMs = probeEveryMs.first
    let probeAt = (yield* Clock.currentTimeMillis) + probeMs
    for (;;) {
      const { latest } = yield* assets.read({ assetId, partitionKey })
      if (latest !== null && latest.generation > lostGeneration) {
        const { contentChanged, generation } = latest
        return yield* commit({ _tag: "Restore", round, via: "producer", generation, contentChanged })
      }
      if (!refresh && (yield* Clock.currentTimeMillis) >= probeAt) {
        const reality = yield* check(recovery)
        if (isThere(recovery, reality)) {
          const generation = Asset.currentGeneration(reality.state)
          return yield* commit({ _tag: "Restore", round, via: "found", generation, contentChanged: false })
        }
        if (isAway(reality)) yield* health.awaitReady(reality.store)
        probeMs = Math.min(probeMs * growth, probeEveryMs.most)
        probeAt = (yield* Clock.currentTimeMillis) + probeMs
      }
      yield* Effect.sleep(Duration.millis(readMs))
      readMs = Math.min(readMs * growth, readEveryMs.most)
    }
  })

  /**
   * Nobody can bring the asset back while its store is away: no outage uses up a budget (F90). Answers what lies there
   * unannounced when the store answers, if anything does.
   */
  const outlast = Effect.fnUntraced(function* (recovery: State) {
    while (recovery.recheck !== null) {
      const reality = yield* check(recovery)
      if (!isAway(reality)) {
        return reality.status === "missing" && reality.replaced !== undefined ? otherBytes(reality.replaced) : undefined
      }
      yield* health.awaitReady(reality.store)
      yield* Effect.sleep(Duration.millis(recovery.attemptTimeoutMs))
    }
    return undefined
  })

  return { ask, wait, outlast }
})

const isAway = (reality: Reality): reality is Extract<Reality, { readonly status: "unavailable" }> =>
  reality.status === "unavailable" && reality.failure.class === "store_unavailable"
