import { DateTime } from "effect"
import type { Names } from "./RunEvent.ts"
import * as RunEvent from "./RunEvent.ts"

/** A DatasetEvent of OpenLineage 2-0-2: something is known of a dataset that no run of ours made. */
export interface DatasetEvent {
  readonly eventTime: string
  readonly producer: string
  readonly schemaURL: string
  readonly dataset: RunEvent.Dataset
}

/** The type of the log's event that becomes a dataset event, where it was announced from outside. */
export const type = "AssetProduced"

/** What of a recorded production is asked here; what a run made has the name of its workflow. */
export interface Production {
  readonly assetId: string
  readonly partitionKey: string
  readonly generation: number
  readonly workflow: string
  readonly source?: string
}

/** The event of a production that another system announced; none for what a run made or found. `at`: epoch ms. */
export const of = (production: Production, at: number, names: Names): ReadonlyArray<DatasetEvent> =>
  production.source === undefined || production.workflow !== ""
    ? []
    : RunEvent.datasetsOf([production], names).map((dataset) => ({
        eventTime: DateTime.formatIso(DateTime.makeUnsafe(at)),
        producer: names.producer,
        schemaURL: `${RunEvent.spec}#/$defs/DatasetEvent`,
        dataset
      }))
