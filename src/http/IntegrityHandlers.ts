import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Integrity } from "../actors/Integrity.ts"
import * as Id from "../domain/Id.ts"
import { keyOf } from "../domain/integrity/Finding.ts"
import type { FindingView } from "../domain/integrity/IntegrityView.ts"
import { EventStore } from "../eventstore/EventStore.ts"
import { cursorOf, pairOf } from "../projections/AssetListQuery.ts"
import { limitOf } from "../projections/Page.ts"
import { answer } from "./Answer.ts"
import { Api } from "./api/Api.ts"
import { Principal } from "./api/Guards.ts"
import { callerOf } from "./Command.ts"
import { reached } from "./Reached.ts"

const pairFor = ({ assetId, partitionKey }: FindingView) =>
  [Id.assetKey(assetId), Id.partitionKey(partitionKey ?? "")] as const

const sortKey = ([assetId, partitionKey]: readonly [string, string]) => keyOf({ assetId, partitionKey })

export const layer = HttpApiBuilder.group(
  Api,
  "integrity",
  Effect.fnUntraced(function* (handlers) {
    const integrity = yield* Integrity
    const store = yield* EventStore

    return handlers.handleAll({
      requestCheck: Effect.fnUntraced(function* ({ headers, payload }) {
        const principal = yield* Principal
        const asked = callerOf({ principal, route: "POST /integrity/checks", ids: [], headers, body: payload })
        const { integrity: data, position } = yield* answer(integrity.check(payload ?? {}, asked))
        return { data, position }
      }),

      listFindings: Effect.fnUntraced(function* ({ query: { assetId, cursor, kind, limit, minPosition } }) {
        const after = yield* answer(pairOf(cursor))
        yield* answer(reached(store, minPosition))
        const found = yield* answer(integrity.findings)
        const left = found.findings.filter(
          (finding) =>
            (kind === undefined || finding.kind === kind) &&
            (assetId === undefined || Id.assetKey(finding.assetId) === Id.assetKey(assetId)) &&
            (after === null || sortKey(pairFor(finding)) > sortKey(after))
        )
        const data = left.slice(0, limitOf({ limit }))
        const last = data.length < left.length ? data[data.length - 1] : undefined
        const { findings: _, ...standing } = found.integrity
        return { data, nextCursor: last === undefined ? null : cursorOf(pairFor(last)), ...standing }
      }),

      recoverFindings: Effect.fnUntraced(function* ({ headers, payload }) {
        const principal = yield* Principal
        const asked = callerOf({ principal, route: "POST /integrity/recover", ids: [], headers, body: payload })
        const { position, ...data } = yield* answer(integrity.recover(asked))
        return position === null ? { data } : { data, position }
      })
    })
  })
)
