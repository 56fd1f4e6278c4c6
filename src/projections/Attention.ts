import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Asset from "../domain/Asset.ts"
import * as AttentionDomain from "../domain/Attention.ts"
import * as MaterializationEvents from "../domain/materialization/MaterializationEvents.ts"
import * as RecoveryEvents from "../domain/recovery/RecoveryEvents.ts"
import * as AttentionFold from "./AttentionFold.ts"
import * as AttentionKeys from "./AttentionKeys.ts"
import * as AttentionRows from "./AttentionRows.ts"
import { type Handler, type LogEvent, type Projection, unknownType } from "./Projection.ts"
import { isKnown } from "./RunFold.ts"

/** What needs a human, until it does no more: docs/ATTENTION.md says what comes onto the list and what takes it off. */
export const Attention: Projection = {
  name: "attention_v1",
  categories: ["run", "recovery", "materialization", "asset", "attention"],
  tables: ["attention_v1", "attention_v1_runs"],
  make: () => make()
}

const types: Readonly<Record<string, (type: string) => boolean>> = {
  run: isKnown,
  recovery: (type) => type in RecoveryEvents.Event.cases,
  materialization: (type) => type in MaterializationEvents.Event.cases,
  asset: (type) => type in Asset.Event.cases,
  attention: (type) => type in AttentionDomain.Event.cases
}

const make = (): Handler => {
  // The rows there are, with their subjects; null: not read yet. Most batches concern none of them.
  let known: AttentionKeys.AttentionKeys | null = null

  const handle = Effect.fnUntraced(function* (events: ReadonlyArray<LogEvent>) {
    const sql = yield* SqlClient.SqlClient
    for (const event of events) if (types[event.category]?.(event.type) !== true) throw unknownType(event)
    const keys = known ?? AttentionKeys.make(yield* AttentionRows.keys(sql))
    known = keys

    const fold = AttentionFold.make()
    for (const event of events) fold.note(event)
    const runs = fold.runsWanted(keys.size() > 0)
    if (runs.length > 0) for (const facts of yield* AttentionRows.readRuns(sql, runs)) fold.putRun(facts)
    const wanted = fold.rowsWanted(events, keys)
    if (wanted.length > 0) for (const row of yield* AttentionRows.read(sql, wanted)) fold.putRow(row)

    for (const event of events) fold.apply(event)
    const { changed, endedRuns, openRuns, removed } = fold.result()
    yield* AttentionRows.remove(sql, removed)
    yield* AttentionRows.write(sql, changed)
    yield* AttentionRows.removeRuns(sql, endedRuns)
    yield* AttentionRows.writeRuns(sql, openRuns)
    for (const id of removed) keys.remove(id)
    for (const { id, subject } of changed) keys.put(id, subject)
  })
  const forget = () => {
    known = null
  }
  return { handle, forget }
}
