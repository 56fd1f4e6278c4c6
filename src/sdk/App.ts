import type { StoreConfig } from "../capabilities/StoreConfig.ts"
import type { Workflow } from "../domain/Definition.ts"
import type { Source } from "../domain/Source.ts"
import type { NotificationConfig } from "../domain/NotificationConfig.ts"
import type { Job } from "./Job.ts"

/** A workflow as it is written: the JSON of `PUT /workflows/{slug}`, typed. */
export interface WorkflowDefinition extends Readonly<typeof Workflow.Encoded> {}

/** Types a workflow definition. It is checked when the app is loaded, together with everything that it names. */
export const defineWorkflow = (workflow: WorkflowDefinition): WorkflowDefinition => workflow

/** What an app module exports as its default, through `defineApp`. */
export interface App {
  /** By name. A folder's `path` is relative to the folder of the app file. */
  readonly stores?: { readonly [name: string]: StoreConfig }
  readonly jobs?: ReadonlyArray<Job>
  readonly workflows?: ReadonlyArray<WorkflowDefinition>
  readonly timestore?: {
    /** Where partitions are written; default: the store named `timestore`, else the only store. */
    readonly store?: string
    /** Bound of the local copies that DuckDB reads, in bytes; default 1 GiB. */
    readonly cacheBytes?: number
  }
  /**
   * Assets that other systems announce, and how each is asked for again when it is lost: by running a workflow whole, or
   * by a webhook.
   */
  readonly sources?: ReadonlyArray<Readonly<typeof Source.Encoded>>
  /** How it is checked that what is declared is there. */
  readonly integrity?: {
    /** Between two checks of everything, in ms; 0: none by the clock; default one hour. */
    readonly intervalMs?: number
    /** Assets that a check looks at in a second, at most; default 500. */
    readonly assetsPerSecond?: number
    /** Whether checks by the clock compare checksums, too; default false. */
    readonly deep?: boolean
    /** When checks that nobody asked for may go on: every day from `from` until `to` ("HH:mm"), by that clock (UTC). */
    readonly window?: { readonly from: string; readonly to: string; readonly timezone?: string }
    /** What is younger is still under way, and nothing to judge, in ms; default 60,000. */
    readonly toleranceMs?: number
    /** Checks that have to find the same before it is escalated; default 3. */
    readonly escalateAfter?: number
  }
  readonly http?: {
    /**
     * Hosts that http steps may ask although their address is private: `localhost:8080`, `*.internal.example`,
     * `[::1]:8080`. Public hosts need no entry.
     */
    readonly allow?: ReadonlyArray<string>
  }
  /** Who is told of failures and of what needs attention, beside the API; secrets as `{ env: "VARIABLE" }`. */
  readonly notifications?: NotificationConfig
}

/** Not `instanceof` or identity: the app may have loaded this module as another copy. */
const brand: unique symbol = Symbol.for("kintsugi/App") as never

/** An app that came through `defineApp`. */
export interface DefinedApp extends App {
  readonly [brand]: true
}

/** Describes an app: its stores, jobs and workflows. It is checked when it is loaded, with every fault named. */
export const defineApp = (app: App): DefinedApp => ({ ...app, [brand]: true })

/** Whether a value came through `defineApp`. */
export const isDefinedApp = (value: unknown): value is DefinedApp =>
  typeof value === "object" && value !== null && brand in value && value[brand] === true
