import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import * as LogRoot from "../domain/LogRoot.ts"
import type { UndecodableEvent } from "../eventstore/EventCodec.ts"
import { EventStore, type LogUnavailable, type Position } from "../eventstore/EventStore.ts"
import * as LogRoots from "../eventstore/LogRoots.ts"
import * as MerkleRoot from "../eventstore/MerkleRoot.ts"
import { type Verifier, verifierIn } from "../eventstore/Signature.ts"
import * as StreamAppend from "../eventstore/StreamAppend.ts"

/** A stream that no longer ends, or goes on, as it was signed. */
export interface ChangedStream {
  readonly stream: string
  /** Signed was its end at this version and position: what is wrong is there or before. */
  readonly version: number
  readonly position: string
}

/** What the newest signed root says of the log. */
export interface RootReport {
  /** `none`: nobody has signed a root. */
  readonly status: "none" | "holds" | "broken"
  /** What the root covers; null without a root. */
  readonly position: string | null
  readonly treeSize: number
  readonly keyId: string | null
  /** `unchecked`: no key was given, so the signature says only that the root is as it was signed by somebody. */
  readonly signedBy: "key" | "unchecked" | "nobody"
  /** Why it is broken, or null. */
  readonly problem: string | null
  /** The first 100 streams that were changed behind the root, where the leaves that were kept still tell. */
  readonly changed: ReadonlyArray<ChangedStream>
}

const none: RootReport = {
  ...{ status: "none", position: null, treeSize: 0, keyId: null, signedBy: "nobody", problem: null, changed: [] }
}

/** Checks the newest signed root: its signature, and that the log still has that root. */
export const check = Effect.fn("RootCheck.check")(function* (
  verifier: Verifier | null
): Effect.fn.Return<RootReport, SqlError | LogUnavailable | UndecodableEvent, EventStore | SqlClient.SqlClient> {
  const log = yield* EventStore
  const last = yield* StreamAppend.lastOf(log, LogRoot.streamName)
  if (last === null) {
    return verifier === null ? none : { ...none, status: "broken", problem: "the log has no signed root" }
  }
  const signed = yield* Effect.sync(() => LogRoots.codec.decode(last))
  const { keyId, position, treeSize } = signed
  const told = { ...none, position, treeSize, keyId, signedBy: verifier === null ? "unchecked" : "key" } as const
  const broken = (problem: string, changed: ReadonlyArray<ChangedStream> = []): RootReport => ({
    ...{ ...told, status: "broken", problem, changed }
  })
  const forged = forgery(signed, verifier)
  if (forged !== null) return broken(forged)
  const now = yield* LogRoots.rootAsOf(position as Position)
  if (now.root === signed.root && now.treeSize === treeSize) return { ...told, status: "holds" }
  const changed = yield* changedStreams(signed)
  const count = now.treeSize === treeSize ? "" : `; ${treeSize} streams were signed, and ${now.treeSize} are there`
  return broken(`the log up to ${position} is not what was signed${count}`, changed)
})

const forgery = (signed: LogRoot.Event, verifier: Verifier | null): string | null => {
  const { keyId, signature } = signed
  const own = verifierIn(signed)
  const text = LogRoot.signedText(signed)
  if (own?.keyId !== keyId || !own.verify(text, { value: signature })) {
    return `the root at ${signed.position} does not have a signature of the key that it names`
  }
  if (verifier === null || (verifier.keyId === keyId && verifier.verify(text, { value: signature }))) return null
  return `the root at ${signed.position} was signed with key ${keyId}, and the given one is ${verifier.keyId}`
}

const pageStreams = 5_000
const shownMax = 100

/** The streams of which the log has another event, or none, where the kept leaves have the signed one. */
const changedStreams = Effect.fnUntraced(function* ({
  root,
  treeSize
}: LogRoot.Event): Effect.fn.Return<ReadonlyArray<ChangedStream>, SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const tree = MerkleRoot.make()
  const changed: Array<ChangedStream> = []
  for (let after = ""; ; ) {
    const rows = yield* sql<ChangedStream & { readonly hash: string; readonly isThere: boolean }>`
      SELECT h.stream_name AS stream, h.stream_version AS version, h.position, encode(h.hash, 'hex') AS hash,
        EXISTS (
          SELECT 1 FROM streams s JOIN events e USING (stream_id)
          WHERE s.stream_name = h.stream_name AND e.stream_version = h.stream_version AND e.hash = h.hash
        ) AS "isThere"
      FROM signed_heads h WHERE h.stream_name > ${after} ORDER BY h.stream_name LIMIT ${pageStreams}`
    for (const { hash, isThere, position, stream, version } of rows) {
      tree.add({ stream, version, hash })
      if (!isThere && changed.length < shownMax) changed.push({ stream, version, position })
    }
    if (rows.length < pageStreams) break
    after = rows.at(-1)!.stream
  }
  // Leaves that are not those of the root, because somebody changed them too, tell nothing.
  return tree.root() === root && tree.size() === treeSize ? changed : []
})
