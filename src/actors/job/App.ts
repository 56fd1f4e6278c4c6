import { Context } from "effect"
import type { Job } from "../../sdk/Job.ts"
import type { HttpSettings } from "./HttpStep.ts"

/** What the running app module gives the job runner. */
export class App extends Context.Service<
  App,
  {
    readonly jobs: ReadonlyMap<string, Job>
    /** Where the timestore's partitions are written; undefined: the app has none. */
    readonly timestoreStore: string | undefined
    readonly http: HttpSettings
  }
>()("kintsugi/actors/job/App") {}
