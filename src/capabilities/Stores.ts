import { Context, Effect, Layer, Schema } from "effect"
import { resolve } from "node:path"
import * as FolderStore from "./FolderStore.ts"
import * as LimitedStore from "./LimitedStore.ts"
import type { ObjectStore } from "./ObjectStore.ts"
import * as S3Store from "./S3Store.ts"
import type { StoreConfig, StoreConfigs } from "./StoreConfig.ts"

/** No store of this name is configured in the app. */
export class UnknownStore extends Schema.TaggedError<UnknownStore>()("UnknownStore", {
  store: Schema.String,
  known: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `no store is named ${JSON.stringify(this.store)}; there are: ${this.known.join(", ") || "none"}`
  }
}

/** The object stores of the app, by name. */
export class Stores extends Context.Service<
  Stores,
  {
    readonly get: (name: string) => Effect.Effect<ObjectStore, UnknownStore>
    readonly config: (name: string) => Effect.Effect<StoreConfig, UnknownStore>
    /** In the order of the configuration. */
    readonly names: ReadonlyArray<string>
  }
>()("kintsugi/capabilities/Stores") {
  /**
   * The stores of `configs` (decoded by `StoreConfigs`); folder paths are relative to `baseDir`. Nothing is touched and
   * no vendor's code is loaded until a store is used.
   */
  static readonly layer = (configs: StoreConfigs, baseDir: string): Layer.Layer<Stores> =>
    Layer.effect(
      Stores,
      Effect.gen(function* () {
        const stores = new Map<string, ObjectStore>()
        for (const [name, config] of Object.entries(configs)) {
          const driver =
            config.type === "folder"
              ? yield* FolderStore.make(name, resolve(baseDir, config.path))
              : yield* S3Store.make(name, config)
          stores.set(name, config.concurrency === undefined ? driver : LimitedStore.make(driver, config.concurrency))
        }
        const names = [...stores.keys()]
        const known = <A>(name: string, value: A | undefined): Effect.Effect<A, UnknownStore> =>
          value === undefined ? Effect.fail(new UnknownStore({ store: name, known: names })) : Effect.succeed(value)
        return Stores.of({
          get: (name) => known(name, stores.get(name)),
          config: (name) => known(name, stores.has(name) ? configs[name] : undefined),
          names
        })
      })
    )
}
