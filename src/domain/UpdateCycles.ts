import type { Definition, ProducedAsset, StepDefinition } from "./Definition.ts"
import { components, type Graph, shortestWay } from "./Graph.ts"
import * as Id from "./Id.ts"

/** A round of updates: a production of `assets[i]` by `workflows[i]` starts the next workflow, the last the first. */
export interface UpdateCycle {
  readonly workflows: ReadonlyArray<string>
  readonly assets: ReadonlyArray<string>
}

/** The cycles among definitions; of each group of workflows that update each other a shortest one is named. */
export interface UpdateCycles {
  /** Through workflows without `allowCycle` only. */
  readonly refused: ReadonlyArray<UpdateCycle>
  /** Through an accepting one: to be damped. */
  readonly allowed: ReadonlyArray<UpdateCycle>
  /** Each input whose updates come round to its workflow again; where accepted, optional until first produced. */
  readonly cyclicInputs: ReadonlyArray<{ readonly workflow: string; readonly assetId: string }>
}

type Workflow = Pick<Definition, "slug" | "steps">

/**
 * The cycles through `onUpstreamUpdate` (F21, T31). A workflow is started by an update of what it consumes if an asset
 * that it produces opts in; `allowCycle` on one of those accepts the cycles through it. What a step consumes from an
 * earlier step of its run is no update; what it consumes from a later or independent one starts the next run; with
 * another `updateOn` than "produced" nothing goes round. Linear in the declarations.
 */
export const updateCycles = (workflows: ReadonlyArray<Workflow>): UpdateCycles => {
  const graph = updateGraph(workflows)
  const group = components(graph)
  const refusing = graph.map((edges) => edges.filter(({ accepts }) => !accepts))
  const refusingGroup = components(refusing)

  const refused: Array<UpdateCycle> = []
  const allowed: Array<UpdateCycle> = []
  const seen = { refused: new Set<number>(), allowed: new Set<number>() }
  const inputs = new Map<string, { readonly workflow: string; readonly assetId: string }>()
  for (const [node, edges] of refusing.entries()) {
    const own = refusingGroup[node]!
    if (node >= workflows.length || seen.refused.has(own)) continue
    if (!edges.some(({ to }) => refusingGroup[to] === own)) continue
    seen.refused.add(own)
    const way = shortestWay(refusing, node, node, (other) => refusingGroup[other] === own)
    if (way !== undefined) refused.push(cycleOf(workflows, node, way))
  }
  for (const [node, edges] of graph.entries()) {
    const own = group[node]!
    for (const edge of edges) {
      if (edge.updates === undefined || group[edge.to] !== own) continue
      const { slug } = workflows[edge.to]!
      inputs.set(JSON.stringify([slug, Id.assetKey(edge.updates)]), { workflow: slug, assetId: edge.updates })
      if (!edge.accepts || seen.allowed.has(own)) continue
      seen.allowed.add(own)
      const back = shortestWay(graph, edge.to, node, (other) => group[other] === own)
      if (back !== undefined) allowed.push(cycleOf(workflows, edge.to, [...back, edge]))
    }
  }
  return { refused, allowed, cyclicInputs: [...inputs.values()] }
}

/** For messages: `report –[sales.report]→ archive –[sales.archive]→ report`. */
export const cycleText = ({ assets, workflows }: UpdateCycle): string =>
  [...workflows.map((slug, index) => `${slug} –[${assets[index]}]→`), workflows[0]].join(" ")

/** The assets whose updates start the workflow: none unless an asset that it produces opts in. */
export const updatingInputs = ({ steps }: Pick<Definition, "steps">): ReadonlyArray<string> =>
  steps.some(({ produces }) => produces.some(isOptedIn))
    ? [...inputsOf(steps).values()].flatMap(({ assetId, isOwn, updates }) => (isOwn || !updates ? [] : [assetId]))
    : []

interface Edge {
  readonly to: number
  /** The asset, on an edge that leaves the workflow that makes it. */
  readonly makes?: string
  /** The asset, on an edge that starts a workflow. */
  readonly updates?: string
  /** Whether the workflow that it starts allows cycles. */
  readonly accepts: boolean
}

interface Links {
  readonly makers: Map<number, string>
  readonly users: Array<{ readonly workflow: number; readonly input: Input; readonly accepts: boolean }>
}

/** Nodes are the workflows, then one or two for each asset that is both made and used. */
const updateGraph = (workflows: ReadonlyArray<Workflow>): Graph<Edge> => {
  const graph: Array<Array<Edge>> = workflows.map(() => [])
  for (const { makers, users } of linksOf(workflows)) {
    const others = users.filter(({ input }) => !input.isOwn)
    const selves = users.filter(({ input }) => input.isOwn)
    if (others.length > 0) {
      const asset = graph.push([]) - 1
      for (const [maker, makes] of makers) graph[maker]!.push({ to: asset, makes, accepts: false })
      for (const { accepts, input, workflow } of others) {
        graph[asset]!.push({ to: workflow, updates: input.assetId, accepts })
      }
    }
    if (selves.length === 0 || makers.size < 2) continue
    // Whoever uses what it makes in the same run is updated by the other makers only. A ring tells as much about who
    // updates whom in the end as an edge for each pair would.
    const own = new Set(selves.map(({ workflow }) => workflow))
    const asset = graph.push([]) - 1
    for (const [maker, makes] of makers) if (!own.has(maker)) graph[maker]!.push({ to: asset, makes, accepts: false })
    for (const [index, { accepts, input, workflow }] of selves.entries()) {
      const updates = input.assetId
      graph[asset]!.push({ to: workflow, updates, accepts })
      const before = selves[(index + selves.length - 1) % selves.length]!.workflow
      if (before !== workflow) graph[before]!.push({ to: workflow, makes: makers.get(before)!, updates, accepts })
    }
  }
  return graph
}

const linksOf = (workflows: ReadonlyArray<Workflow>): Iterable<Links> => {
  const links = new Map<string, Links>()
  const linksTo = (assetId: string): Links => {
    const key = Id.assetKey(assetId)
    const known = links.get(key) ?? { makers: new Map(), users: [] }
    links.set(key, known)
    return known
  }
  for (const [workflow, { steps }] of workflows.entries()) {
    const made = steps.flatMap(({ produces }) => produces)
    for (const { assetId } of made) linksTo(assetId).makers.set(workflow, assetId)
    const optedIn = made.filter(isOptedIn)
    if (optedIn.length === 0) continue
    const accepts = optedIn.some(({ autoMaterialize }) => autoMaterialize?.allowCycle === true)
    for (const input of inputsOf(steps).values()) {
      if (input.updates) linksTo(input.assetId).users.push({ workflow, input, accepts })
    }
  }
  return links.values()
}

/** Whether updates of what the workflow consumes are to remake the asset. */
export const isOptedIn = ({ autoMaterialize }: ProducedAsset): boolean =>
  autoMaterialize?.enabled === true && autoMaterialize.onUpstreamUpdate

/** `isOwn`: each step that consumes it runs after the step of the same workflow that makes it. */
interface Input {
  readonly assetId: string
  readonly isOwn: boolean
  /** Its productions are updates. */
  readonly updates: boolean
}

/** What the steps consume, by asset key. */
export const inputsOf = (steps: ReadonlyArray<StepDefinition>): ReadonlyMap<string, Input> => {
  const makers = new Map(
    steps.flatMap(({ id, produces }) => produces.map(({ assetId }) => [Id.assetKey(assetId), id] as const))
  )
  const inputs = new Map<string, Input>()
  for (const step of steps) {
    for (const { assetId, updateOn } of step.consumes) {
      const key = Id.assetKey(assetId)
      const maker = makers.get(key)
      const isOwn = maker !== undefined && runsAfter(steps, step, maker) && inputs.get(key)?.isOwn !== false
      // An expiry comes by the clock: no production brings it about.
      const updates = updateOn === "produced" || inputs.get(key)?.updates === true
      inputs.set(key, { assetId, isOwn, updates })
    }
  }
  return inputs
}

const runsAfter = (steps: ReadonlyArray<StepDefinition>, step: StepDefinition, earlier: string): boolean => {
  const byId = new Map(steps.map((other) => [other.id, other]))
  const seen = new Set<string>()
  const open = [...step.dependsOn]
  while (open.length > 0) {
    const id = open.pop()!
    if (id === earlier) return true
    if (seen.has(id)) continue
    seen.add(id)
    open.push(...(byId.get(id)?.dependsOn ?? []))
  }
  return false
}

const cycleOf = (workflows: ReadonlyArray<Workflow>, start: number, way: ReadonlyArray<Edge>): UpdateCycle => {
  const slugs: Array<string> = []
  const assets: Array<string> = []
  let node = start
  for (const { makes, to } of way) {
    if (makes !== undefined) {
      slugs.push(workflows[node]!.slug)
      assets.push(makes)
    }
    node = to
  }
  return { workflows: slugs, assets }
}
