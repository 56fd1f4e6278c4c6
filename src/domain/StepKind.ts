import { Schema } from "effect"
import { isObject, type JsonObject, pathText, type Problem } from "./JsonBounds.ts"
import { roots } from "./Template.ts"

/** Names of a fan-out's item and its place in templates of its children, whatever else `as` calls the item. */
export const itemNames = ["item", "index"] as const

/** Another name of the item in templates of a fan-out's children. */
export const ItemName = Schema.String.check(
  Schema.isPattern(/^[A-Za-z][A-Za-z0-9_]{0,59}$/, {
    message: "must be 1 to 60 letters, digits and _, starting with a letter"
  }),
  Schema.makeFilter((name: string) =>
    roots.has(name) || name === "index" || name === "response"
      ? `must not be "${name}", which names something else`
      : true
  )
)

const kinds = ["job", "http", "fanOut"] as const
type Kind = (typeof kinds)[number]

const needs: { readonly [kind in Kind]: ReadonlyArray<string> } = {
  job: ["jobSlug"],
  http: ["request"],
  fanOut: ["over", "step"]
}

/** Fields that only some kinds have. What is not named here, every kind has. */
const belongsTo: { readonly [field: string]: ReadonlyArray<Kind> } = {
  jobSlug: ["job"],
  parameters: ["job"],
  heartbeatTimeoutMs: ["job"],
  request: ["http"],
  expect: ["http"],
  assets: ["http"],
  over: ["fanOut"],
  as: ["fanOut"],
  limit: ["fanOut"],
  concurrency: ["fanOut"],
  step: ["fanOut"],
  timeoutMs: ["job", "http"],
  retryPolicy: ["job", "http"],
  recovery: ["job", "http"],
  produces: ["job", "http"],
  consumes: ["job", "http"]
}

/** Every fault of what the steps of a definition's JSON have for their `type`: a field of another, or one that lacks. */
export const problems = (source: Schema.Json): ReadonlyArray<Problem> => {
  const steps = isObject(source) && Array.isArray(source.steps) ? (source.steps as ReadonlyArray<Schema.Json>) : []
  return steps.flatMap((step, index) => (isObject(step) ? ofStep(step, ["steps", index], kinds) : []))
}

const ofStep = (
  step: JsonObject,
  path: ReadonlyArray<PropertyKey>,
  allowed: ReadonlyArray<Kind>
): ReadonlyArray<Problem> => {
  const kind = allowed.find((known) => known === (step.type ?? "job"))
  // Any other type is a fault of the shape.
  if (kind === undefined) return []
  const found: Array<Problem> = []
  const fault = (field: PropertyKey, message: string) => found.push({ path: pathText([...path, field]), message })
  for (const field of needs[kind]) {
    if (step[field] === undefined)
      fault(field, step.type === undefined ? "is required" : `is required of type "${kind}"`)
  }
  for (const field of Object.keys(step)) {
    const owners = belongsTo[field]
    // Within a fan-out's `step`, a field of fan-outs is one that its shape does not know.
    if (owners === undefined || owners.includes(kind) || !owners.some((owner) => allowed.includes(owner))) continue
    const inner = kind === "fanOut"
    fault(field, inner ? "belongs in step: each child has its own" : `belongs to type "${owners.join('", "')}" only`)
  }
  if (kind === "http") found.push(...ofHttp(step, path))
  if (kind === "fanOut" && isObject(step.step)) found.push(...ofStep(step.step, [...path, "step"], ["job", "http"]))
  return found
}

const ofHttp = (
  { assets, produces, request }: JsonObject,
  path: ReadonlyArray<PropertyKey>
): ReadonlyArray<Problem> => {
  const found: Array<Problem> = []
  const fault = (at: ReadonlyArray<PropertyKey>, message: string) =>
    found.push({ path: pathText([...path, ...at]), message })
  if (
    isObject(request) &&
    request.body !== undefined &&
    ["GET", "HEAD", undefined].includes(request.method as string)
  ) {
    fault(["request", "body"], `cannot be sent with ${String(request.method ?? "GET")}`)
  }
  const made = Array.isArray(produces) ? (produces as ReadonlyArray<Schema.Json>) : []
  if (assets === undefined && made.length > 1) {
    fault(["assets"], "is required where several assets are produced: it says what of the answer belongs to which")
  }
  const declared = new Set(made.map((asset) => (isObject(asset) ? String(asset.assetId).toLowerCase() : "")))
  for (const [index, asset] of (Array.isArray(assets) ? (assets as ReadonlyArray<Schema.Json>) : []).entries()) {
    if (!isObject(asset) || typeof asset.assetId !== "string" || declared.has(asset.assetId.toLowerCase())) continue
    fault(["assets", index, "assetId"], `"${asset.assetId}" is not among what the step produces`)
  }
  return found
}
