/** A run that the example starts by hand. */
export interface PlannedRun {
  readonly workflow: string
  readonly partitionKey?: string
  readonly parameters?: { readonly [name: string]: string | number }
}

/** A run that must come by itself. */
export interface FollowingRun {
  readonly workflow: string
  readonly partitionKey?: string
  readonly reason: "upstream-update" | "expiry" | "stale"
  /** The workflow whose newest run in this stage made the asset that was updated or has expired; absent: any. */
  readonly of?: string
}

/** Runs that are started by hand, one after another, and then those that follow. */
export interface Stage {
  readonly starts: ReadonlyArray<PlannedRun>
  /** In this order: each is waited for until it has succeeded. */
  readonly follows: ReadonlyArray<FollowingRun>
}

/** How an example is played on a server of its own. `now` is ISO 8601, UTC: when it began. */
export interface Plan {
  readonly title: string
  /** Writes the made-up data that comes from outside, below the folder that the app's stores are relative to. */
  readonly prepare: (folder: string, now: string) => Promise<void>
  readonly stages: (folder: string, now: string) => ReadonlyArray<Stage>
  /** The page to look at, below that folder. */
  readonly page: (now: string) => string
}
