import { jsonOf } from "./oracle.ts"
import { type FuzzRequest, plain } from "./requests.ts"
import type { Round } from "./rounds.ts"
import { isSuccess } from "./tally.ts"
import type { RawAnswer } from "./transport.ts"

/** What is wrong with what follows a command that was taken; empty: nothing, or it was none with a key. */
export const afterSuccess = async (
  { ask, tokens }: Round,
  request: FuzzRequest,
  answer: RawAnswer
): Promise<ReadonlyArray<string>> => {
  const keys = request.headers.filter(([name]) => name === "Idempotency-Key")
  if (request.isBroken || keys.length !== 1 || !isSuccess(answer.status)) return []
  const position = positionOf(answer)
  if (position === undefined) return []
  const faults: Array<string> = []
  const again = await ask(request, "the same command again")
  // It tells how things stand now, but of the same thing: nothing is made a second time.
  if (!isSuccess(again.status) || idOf(again) !== idOf(answer)) {
    faults.push(`the same command with the same key is answered otherwise: ${again.status} ${again.text.slice(0, 400)}`)
  }
  // Others can have been served in between, but what was answered is in the lists that are asked for it.
  const list = `/api/v1/runs?limit=1&minPosition=${encodeURIComponent(position)}`
  const seen = await ask(plain(tokens, "viewer", "GET", list), "a list that contains it")
  if (seen.status !== 200)
    faults.push(`a list as of its position is answered ${seen.status} ${seen.text.slice(0, 400)}`)
  return faults
}

const idOf = (answer: RawAnswer): unknown =>
  (jsonOf(answer) as { readonly data?: { readonly id?: unknown } | null } | undefined)?.data?.id

const positionOf = (answer: RawAnswer): string | undefined => {
  const body = jsonOf(answer) as { readonly position?: unknown } | undefined
  return typeof body?.position === "string" ? body.position : undefined
}
