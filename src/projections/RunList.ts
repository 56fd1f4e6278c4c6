import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Stored } from "../domain/run/RunEvents.ts"
import { undecodable, unknownType, type Handler, type LogEvent, type Projection } from "./Projection.ts"
import * as RunCounters from "./RunCounters.ts"
import * as RunFold from "./RunFold.ts"
import * as RunRows from "./RunRows.ts"

/**
 * The runs as lists show them, with the queue's counts and the counters of steps and runs (they need the run's
 * workflow, which only this fold knows). Runs that go on are rows of a small table that is rewritten, with no index
 * but its key; a run that ends is inserted once into the table of ended runs. A run that begins and ends within one
 * batch costs that one insert. Runs that go on are kept in memory too, so that a batch reads nothing back.
 */
export const RunList: Projection = {
  name: "run_list_v1",
  categories: ["run", "workflow"],
  tables: [
    "run_list_v1_active",
    "run_list_v1_ended",
    "run_list_v1_definitions",
    "run_list_v1_counters",
    "run_list_v1_paused"
  ],
  make: () => make()
}

/** How many runs that go on are kept in memory between batches; the others are read back when they go on. */
const residentMax = 20_000

const make = (): Handler => {
  const resident = new Map<string, RunRows.Tracked>()
  const graphs = new Map<string, RunFold.Graph>()

  const handle = Effect.fnUntraced(function* (events: ReadonlyArray<LogEvent>) {
    const sql = yield* SqlClient.SqlClient
    const ofWorkflows = events.filter((event) => event.category === "workflow")
    const definitions = ofWorkflows.filter(({ type }) => !pausing.has(type))
    for (const event of definitions) addDefinition(graphs, event)
    yield* loadGraphs(sql, graphs, definitionsNeeded(events, resident))
    yield* loadRuns(sql, resident, graphs, events)

    const counters = RunCounters.make()
    const touched = fold(events, resident, graphs, counters)

    yield* RunRows.putGraphs(sql, definitions.map(definitionKeyOf), graphs)
    yield* RunRows.pause(
      sql,
      ofWorkflows.filter(({ type }) => pausing.has(type)).map(({ id, type }) => [id, type === "WorkflowPaused"])
    )
    yield* RunRows.write(sql, touched, (run) => graphs.get(graphKey(run.workflow, run.version)) ?? [])
    yield* RunCounters.write(sql, counters)
    evict(resident, touched)
  })

  const forget = () => {
    resident.clear()
    graphs.clear()
  }
  return { handle, forget }
}

const pausing: ReadonlySet<string> = new Set(["WorkflowPaused", "WorkflowResumed"])

const graphKey = (workflow: string, version: number): string => `${workflow}@${version}`

type Requested = Extract<Stored, { readonly _tag: "RunRequested" }>

interface Defined {
  readonly slug: string
  readonly version: number
  readonly definition: { readonly steps: RunFold.Graph }
}

const definitionKeyOf = (event: LogEvent) => {
  const { slug, version } = event.data<Defined>()
  return { workflow: slug, version }
}

const addDefinition = (graphs: Map<string, RunFold.Graph>, event: LogEvent): void => {
  if (event.type !== "WorkflowDefined") throw unknownType(event)
  const { definition, slug, version } = event.data<Defined>()
  if (!Array.isArray(definition?.steps)) throw undecodable(event, "its definition has no steps")
  const graph = definition.steps.map(({ dependsOn, id }) => ({ id, dependsOn: dependsOn ?? [] }))
  graphs.set(graphKey(slug, version), graph)
}

/** Definitions of the runs that begin in this batch. */
const definitionsNeeded = (events: ReadonlyArray<LogEvent>, resident: ReadonlyMap<string, RunRows.Tracked>) => {
  const needed: Array<RunRows.DefinitionKey> = []
  for (const event of events) {
    if (event.category !== "run" || event.type !== "RunRequested" || resident.has(event.id)) continue
    needed.push(event.data<Requested>())
  }
  return needed
}

/** Brings definitions into memory. One that is not there stays unknown: such a run's ready steps are not counted. */
const loadGraphs = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  graphs: Map<string, RunFold.Graph>,
  needed: ReadonlyArray<RunRows.DefinitionKey>
) {
  const missing = new Map<string, RunRows.DefinitionKey>()
  for (const { version, workflow } of needed) {
    const key = graphKey(workflow, version)
    if (!graphs.has(key)) missing.set(key, { workflow, version })
  }
  if (missing.size === 0) return
  for (const found of yield* RunRows.readGraphs(sql, [...missing.values()])) {
    graphs.set(graphKey(found.workflow, found.version), found.steps)
  }
})

/** Events after a run's end that change nothing in the list: not worth reading the run back for. */
const epilogue: ReadonlySet<string> = new Set(["RunOutcomeDelivered", "RunAttentionRaised", "StepLeftOversMoved"])
/**
 * Events of a run that has ended which its row has to see: it goes on (each of these names all of its steps), or a step
 * of it is skipped first.
 */
const reopening: ReadonlySet<string> = new Set(["RunRecovered", "RunRestored", "StepSkipped"])
const isEpilogue = (type: string): boolean => epilogue.has(type)

/** Brings the runs that this batch goes on with into memory. */
const loadRuns = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  resident: Map<string, RunRows.Tracked>,
  graphs: Map<string, RunFold.Graph>,
  events: ReadonlyArray<LogEvent>
) {
  const begun = new Set<string>()
  const missing = new Set<string>()
  const recovered = new Set<string>()
  for (const { category, id, type } of events) {
    if (category !== "run" || resident.has(id) || isEpilogue(type)) continue
    if (type === "RunRequested") begun.add(id)
    else if (!begun.has(id)) missing.add(id)
    if (reopening.has(type) && !begun.has(id)) recovered.add(id)
  }
  if (missing.size === 0) return
  const active = yield* RunRows.readActive(sql, [...missing])
  for (const run of active) {
    resident.set(run.row.id, run)
    recovered.delete(run.row.id)
  }
  const ended = recovered.size === 0 ? [] : yield* RunRows.readEnded(sql, [...recovered])
  for (const run of ended) resident.set(run.row.id, run)
  yield* loadGraphs(
    sql,
    graphs,
    [...active, ...ended].map(({ row }) => row)
  )
})

const fold = (
  events: ReadonlyArray<LogEvent>,
  resident: Map<string, RunRows.Tracked>,
  graphs: ReadonlyMap<string, RunFold.Graph>,
  counters: RunCounters.Counters
): ReadonlyArray<RunRows.Tracked> => {
  const touched = new Set<RunRows.Tracked>()
  for (const event of events) {
    if (event.category !== "run") continue
    let run = resident.get(event.id)
    if (run === undefined && event.type === "RunRequested") {
      const data = event.data<Requested>()
      const graph = graphs.get(graphKey(data.workflow, data.version)) ?? []
      run = { row: RunFold.requested(data, graph, event.at), stored: "nowhere" }
      resident.set(event.id, run)
    } else if (run !== undefined) {
      if (!RunFold.apply(run.row, event)) throw unknownType(event)
    } else if (!RunFold.isKnown(event.type)) {
      throw unknownType(event)
    }
    // Without a row it is the epilogue of a run that has ended (a canceled run's last outputs, a delivered outcome).
    if (run === undefined) continue
    touched.add(run)
    RunCounters.count(counters, run.row, event)
  }
  return [...touched]
}

/** Ended runs leave memory at once, and the oldest of the others when there are too many. */
const evict = (resident: Map<string, RunRows.Tracked>, touched: ReadonlyArray<RunRows.Tracked>): void => {
  for (const { row } of touched) if (row.ended !== null) resident.delete(row.id)
  for (const id of resident.keys()) {
    if (resident.size <= residentMax) break
    resident.delete(id)
  }
}
