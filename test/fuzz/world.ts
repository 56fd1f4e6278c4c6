/** What the fuzzer knows of the live state: values that answers gave, by what they name. */
export interface World {
  /** A value of this kind, by a number; undefined when none is known yet. */
  readonly pick: (kind: string, index: number) => string | undefined
  /** Takes in what an answer to this operation shows. */
  readonly learn: (operationId: string, body: unknown) => void
  readonly add: (kind: string, value: string) => void
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

/** `spared`: ids of tokens that the fuzzer itself needs. */
export const make = (spared: ReadonlySet<string>): World => {
  const known = new Map<string, Array<string>>()
  const add = (kind: string, value: string): void => {
    if (value === "" || spared.has(value)) return
    const values = known.get(kind) ?? []
    if (values.includes(value)) return
    values.push(value)
    if (values.length > keptMax) values.shift()
    known.set(kind, values)
  }
  const walk = (value: unknown, kind: string | undefined, depth: number): void => {
    if (typeof value !== "object" || value === null || depth > 6) return
    if (Array.isArray(value)) {
      for (const item of value.slice(0, 20)) walk(item, kind, depth + 1)
      return
    }
    for (const [name, inner] of Object.entries(value)) {
      const meant = name === "id" || (name === "name" && kind === "projection") ? kind : fields[name]
      if (typeof inner === "string" && meant !== undefined) add(meant, inner)
      else if (name === "steps" && Array.isArray(inner)) walk(inner, "step", depth + 1)
      else walk(inner, name === "data" ? kind : undefined, depth + 1)
    }
  }
  return {
    add,
    secrets: [],
    pick: (kind, index) => {
      const values = known.get(kind) ?? []
      return values[index % Math.max(1, values.length)]
    },
    learn: (operationId, body) => {
      if (operationId === "admin.projections") walk(body, "projection", 0)
      else walk(body, kinds[operationId.split(".")[0] ?? ""], 0)
    }
  }
}
