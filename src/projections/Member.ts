import type { Position } from "../eventstore/EventStore.ts"
import * as LogPosition from "../eventstore/LogPosition.ts"
import type { Skip } from "./Skips.ts"
import type { Handler, Projection } from "./Projection.ts"

/** A projection as the runner runs it; a rebuild of one is a second member beside it. */
export interface Member {
  /** The projection's name; with `#rebuild` behind it for a rebuild. Names the checkpoint's row. */
  readonly key: string
  readonly projection: Projection
  /** Where its tables are; null: where everybody reads them. */
  readonly schema: string | null
  /** What PostgreSQL numbers that schema, once it is made: another process that takes over makes one of the same name. */
  schemaId: string | null
  handler: Handler
  position: Position | null
  /** Why it is parked; null: it is not. */
  error: string | null
  /** The event that it is parked before; null: it is not parked, or which one it is could not be found out. */
  errorPosition: Position | null
  /** Events that it leaves out, by position; a rebuild leaves out the same. */
  readonly skips: Map<string, Skip>
  /** Events read since it was made, of all categories. */
  eventsRead: number
  /** When a batch or an empty read last went well, epoch ms. */
  heartbeatAt: number
}

/** Members that stand at one place and so are fed by one read. */
export interface Group {
  readonly members: readonly [Member, ...ReadonlyArray<Member>]
  readonly position: Position | null
}

/** For comparing: a projection that has read nothing stands where an empty log ends. */
export const order = (position: Position | null): Position => position ?? LogPosition.start

/** Members that run, by where they stand, the foremost group first. A rebuild is alone: its tables lie elsewhere. */
export const groups = (members: Iterable<Member>): ReadonlyArray<Group> => {
  const found = new Map<string, [Member, ...Array<Member>]>()
  for (const member of members) {
    if (member.error !== null) continue
    const place = `${order(member.position)}\n${member.schema ?? ""}`
    const group = found.get(place)
    if (group === undefined) found.set(place, [member])
    else group.push(member)
  }
  return [...found.values()]
    .map((members): Group => ({ members, position: members[0].position }))
    .sort((left, right) => (order(left.position) < order(right.position) ? 1 : -1))
}

/** The foremost group of those that serve readers; null when all are parked. */
export const headOf = (all: ReadonlyArray<Group>): Group | null =>
  all.find(({ members }) => members[0].schema === null) ?? null
