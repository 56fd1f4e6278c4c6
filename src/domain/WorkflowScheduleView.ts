import { DateTime } from "effect"
import { nextAt, type State } from "./WorkflowSchedule.ts"

const iso = (epochMs: number): string => DateTime.formatIso(DateTime.makeUnsafe(epochMs))

/** A workflow's schedule: the next occurrence, the last one, and the refusals since one started; null: it has none. */
export const view = (state: State) => {
  const { last, refused, schedule } = state
  if (schedule === null) return null
  const next = nextAt(state)
  return {
    cron: schedule.cron,
    timezone: schedule.timezone,
    nextAt: next === null ? null : iso(next),
    last: last === null ? null : { occurrence: iso(last.occurrence), runIds: last.runIds },
    decisions:
      refused === null
        ? []
        : [{ decision: "refused" as const, why: refused.why, at: iso(refused.since), count: refused.count }]
  }
}
export type ScheduleView = NonNullable<ReturnType<typeof view>>
