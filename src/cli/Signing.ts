import { Duration, Effect, Layer } from "effect"
import type { SqlClient } from "effect/sql"
import type { EventStore } from "../eventstore/EventStore.ts"
import * as LogRoots from "../eventstore/LogRoots.ts"
import * as Files from "./archive/Files.ts"
import type { SettingInvalid } from "./SettingText.ts"

export interface SigningSettings {
  /** File with an Ed25519 private key in PEM; null: nothing is signed. */
  readonly keyFile: string | null
  readonly intervalMs: number
}

/** The setting that names the key. */
export const keySetting = "KINTSUGI_SIGN_KEY_FILE"

/**
 * Signs a root over the whole log at the start and then once an interval, when something was appended. Fails at once
 * when the key cannot be used; a root that could not be written is tried again an interval later.
 */
export const layer = ({
  intervalMs,
  keyFile
}: SigningSettings): Layer.Layer<never, SettingInvalid, EventStore | SqlClient.SqlClient> =>
  keyFile === null
    ? Layer.empty
    : Layer.effectDiscard(
        Effect.gen(function* () {
          const signer = yield* Files.signerIn(keySetting, keyFile)
          const once = LogRoots.sign(signer).pipe(
            Effect.tap((root) =>
              root === null
                ? Effect.void
                : Effect.logInfo(`signed the root of ${root.treeSize} streams up to ${root.position}: ${root.root}`)
            ),
            Effect.catchCause((cause) => Effect.logWarning("the root of the log could not be signed", cause))
          )
          yield* Effect.forkScoped(Effect.forever(Effect.andThen(once, Effect.sleep(Duration.millis(intervalMs)))))
        })
      )
