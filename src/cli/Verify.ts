import { Console, Effect, Layer, Schema } from "effect"
import * as PgEventStore from "../eventstore/PgEventStore.ts"
import { allProjections } from "../projections/AllProjections.ts"
import * as Comparison from "../projections/Comparison.ts"
import * as Files from "./archive/Files.ts"
import * as ChainScan from "./ChainScan.ts"
import * as LogAccess from "./LogAccess.ts"
import * as RootCheck from "./RootCheck.ts"
import type { DatabaseSettings } from "./Settings.ts"

/** The log is not what was written, or a read model not what the log says. What was found has been printed. */
export class LogBroken extends Schema.TaggedError<LogBroken>()("LogBroken", {
  /** Streams with a broken chain. */
  streams: Schema.Int,
  /** The newest signed root does not fit the log. */
  root: Schema.Boolean,
  /** Read models that differ from the log. */
  projections: Schema.Int
}) {
  override get message(): string {
    const found = [
      ...(this.streams === 0 ? [] : [`the log is broken in ${count(this.streams, "stream")}`]),
      ...(this.root ? ["the signed root does not hold"] : []),
      ...(this.projections === 0 ? [] : [`${count(this.projections, "read model")} not as the log says`])
    ]
    return found.join("; ")
  }
}

export interface VerifyOptions {
  /** File with the public key that the newest root has to be signed with; null: whoever signed it. */
  readonly key: string | null
  /** Whether read models are compared with what the log makes of them. */
  readonly projections: boolean
  readonly json: boolean
}

/** Checks every hash chain and the newest signed root, and if asked to every read model; fails if anything is wrong. */
export const run = Effect.fn("Verify.run")(function* (settings: DatabaseSettings, options: VerifyOptions) {
  const verifier = options.key === null ? null : yield* Files.verifierFrom("--key", options.key)
  const log = PgEventStore.layer.pipe(Layer.provideMerge(LogAccess.existing(settings)))
  const { chains, compared, root } = yield* Effect.gen(function* () {
    const chains = yield* ChainScan.scan
    const root = yield* RootCheck.check(verifier)
    const compared: Array<Comparison.Compared> = []
    if (options.projections) {
      for (const projection of allProjections) compared.push(yield* Comparison.compare(projection))
    }
    return { chains, root, compared }
  }).pipe(Effect.provide(log))

  const different = compared.filter(({ status }) => status !== "equal")
  const isBroken = chains.brokenStreams > 0 || root.status === "broken" || different.length > 0
  if (options.json) {
    const projections = options.projections ? { projections: compared } : {}
    yield* Console.log(JSON.stringify({ ok: !isBroken, ...chains, root, ...projections }))
  } else {
    for (const text of [...chainLines(chains), ...rootLines(root), ...compared.map(comparedLine)]) {
      yield* Console.log(text)
    }
  }
  if (!isBroken) return
  return yield* new LogBroken({
    ...{ streams: chains.brokenStreams, root: root.status === "broken", projections: different.length }
  })
})

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`

const chainLines = ({ broken, brokenStreams, events, redacted, streams }: ChainScan.Scanned): ReadonlyArray<string> => {
  const checked = `${streams} streams with ${events} events${redacted === 0 ? "" : `, ${redacted} of them redacted`}`
  return [
    ...broken.map(
      ({ position, problem, stream, version }) =>
        `broken: ${stream} at version ${version}, position ${position ?? "none"}: ${problem}`
    ),
    ...(brokenStreams > broken.length ? [`… and ${brokenStreams - broken.length} more broken streams`] : []),
    brokenStreams === 0 ? `every hash chain holds: ${checked}` : `checked ${checked}`
  ]
}

const rootLines = ({ changed, keyId, position, problem, signedBy, status, treeSize }: RootCheck.RootReport) => {
  if (status === "none") return []
  const whose = signedBy === "key" ? `the given key ${keyId}` : `key ${keyId}, which says who only with --key`
  if (status === "holds") return [`the signed root holds: ${treeSize} streams up to ${position}, by ${whose}`]
  return [
    `root: ${problem}`,
    ...changed.map(
      ({ position, stream, version }) =>
        `changed behind the root: ${stream}, which ended at version ${version}, position ${position}`
    )
  ]
}

const comparedLine = ({ name, position, problem, status }: Comparison.Compared): string => {
  const upTo = `up to ${position ?? "the start of the log"}`
  switch (status) {
    case "equal":
      return `${name} is what the log says, ${upTo}`
    case "different":
      return `${name} differs from the log, ${upTo}, in ${problem}: kintsugi rebuild ${name}`
    case "unsettled":
      return `${name} moved on faster than it could be compared: try again when less is going on`
    case "unreadable":
      return `${name} cannot be built from the log: ${problem}`
  }
}
