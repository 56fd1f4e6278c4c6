import { placesOf } from "../../src/domain/Redactable.ts"

/** What the fuzzer knows of the live state: values that answers gave, by what they name. */
export interface World {
  /** A value of this kind, by a number; undefined when none is known yet. */
  readonly pick: (kind: string, index: number) => string | undefined
  /** The same of several kinds, as if they were one. */
  readonly pickOf: (kinds: ReadonlyArray<string>, index: number) => string | undefined
  /** Takes in what an answer to this operation shows. */
  readonly learn: (operationId: string, body: unknown) => void
  readonly add: (kind: string, value: string) => void
  /** Now in this state, and in no other: of kind `run.failed` until it is seen to be something else. */
  readonly became: (kind: string, state: string, value: string) => void
  /** Secrets that no answer may show, with their hashes. */
  readonly secrets: Array<string>
}

/** So many values of a kind are remembered, the newest. */
const keptMax = 60

/** What the things of a group's answers are, by the first part of the operation's id. */
const kinds: Readonly<Record<string, string>> = {
  workflows: "run",
  runs: "run",
  steering: "run",
  recoveries: "recovery",
  backfills: "backfill",
  bulk: "bulk",
  tokens: "token",
  notifications: "notification",
  deliveries: "delivery",
  deadLetters: "deadLetter",
  attention: "attention",
  integrity: "check"
}

const kindOf = (operationId: string): string | undefined =>
  operationId.endsWith("Recovery") ? "recovery" : kinds[operationId.split(".")[0] ?? ""]

/** Fields whose text names a thing of a kind wherever it appears. */
const fields: Readonly<Record<string, string>> = {
  runId: "run",
  recoveryId: "recovery",
  stepId: "step",
  assetId: "asset",
  partitionKey: "partition",
  nextCursor: "cursor",
  position: "position",
  recordedAt: "time",
  createdAt: "time",
  slug: "workflow",
  workflow: "workflow"
}

/** A thing that is named by several values at once: a step of a run, a partition of an asset of a workflow. */
export type Place = Readonly<Record<string, string>>
export const placeText = (place: Place): string => JSON.stringify(place)
export const placeOf = (text: string): Place => JSON.parse(text) as Place

type Known = Readonly<Record<string, unknown>>

/** `spared`: ids of tokens that the fuzzer itself needs. */
export const make = (spared: ReadonlySet<string>): World => {
  const known = new Map<string, Array<string>>()
  /** In which state each thing was seen last. */
  const states = new Map<string, string>()
  const add = (kind: string, value: string): void => {
    if (value === "" || spared.has(value)) return
    const values = known.get(kind) ?? []
    if (values.includes(value)) return
    values.push(value)
    if (values.length > keptMax) values.shift()
    known.set(kind, values)
  }
  const became = (kind: string, state: string, value: string): void => {
    const before = states.get(`${kind} ${value}`)
    if (before === state) return
    states.set(`${kind} ${value}`, state)
    const left = known.get(`${kind}.${before}`)
    if (left?.includes(value) === true) left.splice(left.indexOf(value), 1)
    add(`${kind}.${state}`, value)
  }
  const state = (thing: Known, kind: string): void => {
    const { id, paused, status, steps } = thing
    if (typeof id !== "string" || typeof status !== "string") return
    const isOver = ["succeeded", "failed", "canceled"].includes(status)
    became(kind, paused === true && !isOver ? "paused" : status, id)
    if (kind !== "run" || !Array.isArray(steps)) return
    for (const step of steps.slice(0, 20) as ReadonlyArray<Known>) {
      became("step", String(step.status), placeText({ id, stepId: String(step.id) }))
    }
  }
  const walk = (value: unknown, kind: string | undefined, depth: number): void => {
    if (typeof value !== "object" || value === null || depth > 6) return
    if (Array.isArray(value)) {
      for (const item of value.slice(0, 20)) walk(item, kind, depth + 1)
      return
    }
    if (kind !== undefined) state(value as Known, kind)
    if (isEvent(value)) redactable(value)
    for (const [name, inner] of Object.entries(value)) {
      const meant = name === "id" || (name === "name" && kind === "projection") ? kind : fields[name]
      if (typeof inner === "string" && meant !== undefined) add(meant, inner)
      else if (name === "steps" && Array.isArray(inner)) walk(inner, "step", depth + 1)
      else walk(inner, name === "data" || name === "projections" ? kind : undefined, depth + 1)
    }
  }
  const redactable = ({ data, stream, type, version }: EventSeen): void => {
    for (const place of placesOf(stream.slice(0, stream.indexOf("-")), type)) {
      const pointers = pointersBelow(data, place)
      if (pointers.length === 0) continue
      add("redactable", JSON.stringify({ stream, version, pointers }))
    }
  }
  /** Read models that stand before an event. */
  const parked = (body: unknown): void => {
    known.delete("place.parked")
    const { data } = body as { readonly data?: { readonly projections?: ReadonlyArray<Known> } }
    for (const { errorPosition, name } of data?.projections ?? []) {
      if (typeof errorPosition === "string") {
        add("place.parked", placeText({ name: String(name), position: errorPosition }))
      }
    }
  }
  const pickOf = (kinds: ReadonlyArray<string>, index: number) => {
    const values = kinds.flatMap((kind) => known.get(kind) ?? [])
    return values[index % Math.max(1, values.length)]
  }
  return {
    ...{ add, became, pickOf, secrets: [] },
    pick: (kind, index) => pickOf([kind], index),
    learn: (operationId, body) => {
      const { nextCursor } = body as { readonly nextCursor?: unknown }
      if (typeof nextCursor === "string") add(`cursor of ${operationId}`, nextCursor)
      if (operationId === "admin.projections") {
        walk(body, "projection", 0)
        parked(body)
      }
      if (operationId === "provenance.listObjects") for (const key of objects(body)) add("object", key)
      else walk(body, kindOf(operationId), 0)
    }
  }
}

interface EventSeen {
  readonly stream: string
  readonly version: number
  readonly type: string
  readonly data: unknown
}

const isEvent = (value: object): value is EventSeen =>
  "stream" in value && "version" in value && "type" in value && "data" in value && typeof value.stream === "string"

/** JSON pointers to the texts and numbers of the payload at or below `place`. */
const pointersBelow = (payload: unknown, place: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  const into = (value: unknown, pointer: string, depth: number): void => {
    if (typeof value === "string" || typeof value === "number") found.push(pointer)
    if (typeof value !== "object" || value === null || depth > 5) return
    for (const [key, inner] of Object.entries(value)) {
      into(inner, `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`, depth + 1)
    }
  }
  const steps = place.split("/").slice(1)
  into(
    steps.reduce<unknown>((value, step) => (value as Known | null | undefined)?.[step], payload),
    place,
    0
  )
  return found.slice(0, 20)
}

const objects = (body: unknown): ReadonlyArray<string> =>
  ((body as { readonly data?: { readonly objects?: ReadonlyArray<{ readonly key: string }> } }).data?.objects ?? [])
    .slice(0, 20)
    .map(({ key }) => key)
