/** A run that the example starts. */
export interface PlannedRun {
  readonly workflow: string
  readonly partitionKey?: string
  readonly parameters?: { readonly [name: string]: string | number }
}

/** How an example is played on a server of its own. */
export interface Plan {
  readonly title: string
  /** Writes the made-up data that comes from outside, below the folder that the app's stores are relative to. */
  readonly prepare: (folder: string, today: string) => Promise<void>
  /** In this order, each when the one before has succeeded. */
  readonly runs: (folder: string, today: string) => ReadonlyArray<PlannedRun>
  /** The page to look at, below that folder. */
  readonly page: string
}
