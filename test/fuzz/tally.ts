import { type Operation, operations } from "./document.ts"
import { operationOf } from "./oracle.ts"
import type { FuzzRequest } from "./requests.ts"
import type { RawAnswer } from "./transport.ts"

/** How often what was asked for has been answered with each status. */
export interface Tally {
  sent: number
  readonly statuses: Record<string, number>
  /** By operation; a bulk operation also by its action, as `bulk runs/cancel dry`. */
  readonly answers: Record<string, Record<string, number>>
}

export const make = (): Tally => ({ sent: 0, statuses: {}, answers: {} })

export const count = (tally: Tally, request: FuzzRequest, { status }: RawAnswer): void => {
  tally.sent++
  add(tally.statuses, status)
  for (const name of namesOf(operationOf(request), request, isSuccess(status))) {
    const counts = tally.answers[name] ?? {}
    tally.answers[name] = counts
    add(counts, status)
  }
}

const add = (counts: Record<string, number>, status: number): void => {
  counts[status] = (counts[status] ?? 0) + 1
}

export const isSuccess = (status: number): boolean => status >= 200 && status < 300

/** How often it was answered with 2xx. */
export const successes = ({ answers }: Pick<Tally, "answers">, name: string): number =>
  Object.entries(answers[name] ?? {}).reduce((sum, [status, many]) => sum + (isSuccess(Number(status)) ? many : 0), 0)

/** What no answer says anything of but that it was refused. */
export const neverDone = (tally: Pick<Tally, "answers">): ReadonlyArray<Operation> =>
  operations.filter(({ id }) => successes(tally, id) === 0)

const namesOf = (operation: Operation | undefined, { body }: FuzzRequest, isDone: boolean): ReadonlyArray<string> => {
  if (operation === undefined) return []
  if (operation.id !== "bulk.requestBulk" || !isDone) return [operation.id]
  // What came in chunks is one line of them.
  const [text = ""] = /\{.*\}/.exec(body.toString()) ?? []
  const { action, canary, dryRun, target = "runs" } = JSON.parse(text) as Readonly<Record<string, unknown>>
  const how = dryRun === true ? "dry" : Number(canary ?? 0) > 0 ? "canary" : "real"
  return [operation.id, `bulk ${target}/${action} ${how}`]
}
