import { Result, Schema } from "effect"
import * as Asset from "./Asset.ts"
import * as RecoveryEvents from "./recovery/RecoveryEvents.ts"
import * as RunEvents from "./run/RunEvents.ts"
import { mark } from "./SecretText.ts"

/** What stands where a value was. */
export { mark }

const unions = { run: RunEvents.Event, asset: Asset.Event, recovery: RecoveryEvents.Event }

/**
 * What may be redacted of an event: what people and jobs have put in, and nothing that a fold decides on. Texts are
 * redacted whole; of objects also what is in them.
 */
const places: Readonly<Record<string, ReadonlyArray<string>>> = {
  "run RunRequested": ["/parameters", "/results"],
  "run StepExpanded": ["/items"],
  "run StepSucceeded": ["/result"],
  "run StepFailed": ["/failure/message"],
  "run StepRetryScheduled": ["/reason"],
  "run StepSkipped": ["/reason", "/result"],
  "run StepResumed": ["/reason"],
  "run RunFailed": ["/failure/message"],
  "run RunCanceled": ["/reason"],
  "run RunAttentionRaised": ["/reason"],
  "asset AssetProduced": ["/parameters", "/payload"],
  "asset AssetMarkedStale": ["/note"],
  "recovery RecoveryParentSettled": ["/failure/message"],
  "recovery RecoveryAttemptFailed": ["/failure/message"],
  "recovery RecoveryFailed": ["/failure/message"],
  "recovery RecoveryPaused": ["/reason"]
}

/** Where the payload of such an event may be redacted; empty: nowhere. */
export const placesOf = (category: string, type: string): ReadonlyArray<string> => places[`${category} ${type}`] ?? []

/** A pointer that cannot be redacted, and why. `index`: its place in the list. */
export interface Refused {
  readonly index: number
  readonly message: string
}

/** The payload with the mark in place of what the pointers name; again, it changes nothing. */
export const redact = (
  { category, payload, type }: { readonly category: string; readonly type: string; readonly payload: string },
  pointers: ReadonlyArray<string>
): Result.Result<string, Refused> => {
  const allowed = placesOf(category, type)
  const root: unknown = JSON.parse(payload)
  for (const [index, pointer] of pointers.entries()) {
    const refuse = (message: string) => Result.fail({ index, message })
    if (!allowed.some((place) => pointer === place || pointer.startsWith(`${place}/`))) {
      const where = allowed.length === 0 ? "nothing of it can be" : `what can be is at or below ${allowed.join(", ")}`
      return refuse(`${type} of a ${category} cannot be redacted at ${pointer}: ${where}`)
    }
    if (!put(root, pointer)) return refuse(`the payload has nothing at ${pointer}`)
    if (!decodes(category, type, root)) {
      return refuse(`a ${type} needs what is at ${pointer} to be read: name single values in it`)
    }
  }
  return Result.succeed(JSON.stringify(root))
}

const decodes = (category: string, type: string, payload: unknown): boolean => {
  const cases = unions[category as keyof typeof unions].cases as Readonly<Record<string, Schema.Top>>
  const decode = Schema.decodeUnknownResult(cases[type] as unknown as Schema.Decoder<unknown>)
  return Result.isSuccess(decode({ _tag: type, ...(payload as object) }))
}

/** RFC 6901. False when there is nothing in that place. */
const put = (root: unknown, pointer: string): boolean => {
  const steps = pointer
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"))
  const last = steps.pop()
  let holder = root
  for (const step of steps) {
    if (typeof holder !== "object" || holder === null || !Object.hasOwn(holder, step)) return false
    holder = (holder as Record<string, unknown>)[step]
  }
  if (last === undefined || typeof holder !== "object" || holder === null || !Object.hasOwn(holder, last)) return false
  if (Array.isArray(holder) && !/^(?:0|[1-9]\d*)$/.test(last)) return false
  Object.defineProperty(holder, last, { value: mark, enumerable: true, configurable: true, writable: true })
  return true
}
