import { Effect } from "effect"

/** How far something is that is done piece by piece. */
export interface Counts {
  readonly status: string
  readonly total: number
  readonly succeeded: number
  readonly failed: number
  readonly canceled: number
  readonly skipped: number
  readonly running: number
  readonly waiting: number
}

const barChars = 30

/** `12 of 30 done, 1 failed, 4 running`; what is zero is left out. */
export const counts = ({ canceled, failed, running, skipped, succeeded, total }: Counts): string => {
  const more = Object.entries({ skipped, failed, canceled, running }).filter(([, count]) => count > 0)
  return [`${succeeded} of ${total} done`, ...more.map(([name, count]) => `${count} ${name}`)].join(", ")
}

/** A bar of the part that has ended. */
export const bar = ({ running, total, waiting }: Counts): string => {
  const filled = total === 0 ? barChars : Math.floor(((total - running - waiting) / total) * barChars)
  return `[${"#".repeat(filled)}${".".repeat(barChars - filled)}]`
}

/**
 * Shows progress on stderr: on a terminal as one line that is written again, else as a line each time that something
 * has changed. Silent when the result is to be read by a program.
 */
export const make = (isSilent: boolean) => {
  const { stderr } = process
  const isTerminal = stderr.isTTY === true
  let last = ""
  return {
    show: (now: Counts) =>
      Effect.sync(() => {
        if (isSilent) return
        const state = now.status === "running" ? "" : ` (${now.status})`
        const line = isTerminal ? `${bar(now)} ${counts(now)}${state}` : `${counts(now)}${state}`
        if (line === last) return
        last = line
        // Written over the line before: \u001b[K takes away what of it was longer.
        stderr.write(isTerminal ? `\r${line}\u001b[K` : `${line}\n`)
      }),
    end: Effect.sync(() => {
      if (isTerminal && last !== "") stderr.write("\n")
    })
  }
}
