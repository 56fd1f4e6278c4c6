import { Schema } from "effect"
import { urlFault } from "../capabilities/HttpExchange.ts"
import type { Definition } from "../domain/Definition.ts"
import * as Id from "../domain/Id.ts"
import type { Problem } from "../domain/JsonBounds.ts"
import { Source } from "../domain/Source.ts"

/** The shape of an app's `sources`; what they name is checked by `sourceProblems`. */
export const Sources = Schema.Array(Source)

/**
 * What is wrong with sources beside their shape: how each is asked, an asset that is declared twice, or that a workflow
 * makes. `slugs`: of every workflow of the app, also of those that are refused.
 */
export const sourceProblems = (
  sources: ReadonlyArray<unknown>,
  slugs: ReadonlySet<unknown>,
  workflows: ReadonlyArray<Definition>
): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const makers = new Map<string, string>()
  for (const { slug, steps } of workflows) {
    for (const { produces } of steps) for (const { assetId } of produces) makers.set(Id.assetKey(assetId), slug)
  }
  const seen = new Map<string, number>()
  for (const [index, source] of sources.entries()) {
    const path = `sources[${index}]`
    const recheck = field(source, "recheck")
    if (typeof recheck === "object" && recheck !== null) problems.push(...recheckProblems(recheck, slugs, path))
    const assetId = field(source, "assetId")
    if (typeof assetId !== "string") continue
    const key = Id.assetKey(assetId)
    const maker = makers.get(key)
    const first = seen.get(key)
    if (maker !== undefined) {
      const message = `"${assetId}" is produced by workflow ${maker}: a source comes from outside`
      problems.push({ path: `${path}.assetId`, message })
    }
    if (first === undefined) seen.set(key, index)
    else {
      const message = `"${assetId}" is already the asset of sources[${first}]; asset ids are compared without case`
      problems.push({ path: `${path}.assetId`, message })
    }
  }
  return problems
}

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined

const recheckProblems = (recheck: object, slugs: ReadonlySet<unknown>, path: string): ReadonlyArray<Problem> => {
  const at = `${path}.recheck`
  const workflow = field(recheck, "workflow")
  const webhook = field(recheck, "webhook")
  const problems: Array<Problem> = []
  if ((workflow === undefined) === (webhook === undefined)) {
    problems.push({ path: at, message: "must have either workflow or webhook" })
  }
  if (typeof workflow === "string" && !slugs.has(workflow)) {
    const known = [...slugs].filter((slug) => typeof slug === "string").join(", ") || "none"
    problems.push({
      path: `${at}.workflow`,
      message: `no workflow of the app is ${JSON.stringify(workflow)}; there are: ${known}`
    })
  }
  if (typeof webhook === "string") {
    const url = URL.parse(webhook)
    const fault = url === null ? "must be an absolute URL, such as https://erp.example/exports" : urlFault(url)
    if (fault !== undefined) problems.push({ path: `${at}.webhook`, message: fault })
  }
  if (webhook === undefined && field(recheck, "headers") !== undefined) {
    problems.push({ path: `${at}.headers`, message: "are sent with a webhook's call only" })
  }
  return problems
}
