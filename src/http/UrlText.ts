import type { Fault } from "./api/Problems.ts"
import { templateOf } from "./Routes.ts"

/** What stands for bytes that are no text would be taken for another text: nobody has asked for that one. */
const message = "must be valid UTF-8"

const strict = new TextDecoder("utf-8", { fatal: true })

const queryMessage = "must be UTF-8, with `%` only in escapes of its bytes"

/** Whether the escaped bytes (`%ff`) in a part of a URL are text, each run of them by itself. */
const isText = (part: string): boolean => {
  for (const [escapes] of part.matchAll(/(?:%[0-9a-f]{2})+/gi)) {
    try {
      strict.decode(Buffer.from(escapes.replaceAll("%", ""), "hex"))
    } catch {
      return false
    }
  }
  return true
}

/** The parameter as its route names it; of a path that is no route the segment as it was sent. */
const pathName = (method: string, segments: ReadonlyArray<string>, index: number): string => {
  const readable = segments.map((segment) => (isText(segment) ? segment : "x")).join("/")
  const named = templateOf(method, readable).split("/")[index]
  return /^\{(\w+)\}$/.exec(named ?? "")?.[1] ?? segments[index]!
}

/** Whether a part of a query is text: a `%` of its own would be read as it is, which somebody may find something under. */
const isEscaped = (part: string): boolean => isText(part) && !/%(?![0-9a-f]{2})/i.test(part)

/**
 * Each part of a request's URL whose bytes are no UTF-8. In a path an escape that is none (`%zz`) is the text that it
 * looks like, and names nothing; in a query it is refused.
 */
export const faultsOf = (method: string, url: string): ReadonlyArray<Fault> => {
  if (isEscaped(url)) return []
  const mark = url.indexOf("?")
  const segments = (mark < 0 ? url : url.slice(0, mark)).split("/")
  const inPath = segments.flatMap((segment, index) =>
    isText(segment) ? [] : [{ in: "path" as const, path: pathName(method, segments, index), message }]
  )
  const pairs = mark < 0 ? [] : url.slice(mark + 1).split("&")
  const inQuery = pairs
    .filter((pair) => !isEscaped(pair))
    .map((pair) => {
      const name = pair.replace(/=.*$/s, "")
      const path = isEscaped(name) ? ([...new URLSearchParams(name).keys()][0] ?? "") : name
      return { in: "query" as const, path, message: queryMessage }
    })
  return [...inPath, ...inQuery]
}
