import { assert, describe, it } from "@effect/vitest"
import { actionOf } from "../../src/projections/AttentionAdvice.ts"

const nothing = { reasonCode: "x", runId: null, recoveryId: null, assetId: null, partitionKey: null, rootCause: null }

describe("the suggested action of what needs attention", () => {
  const suggested = (item: Partial<Parameters<typeof actionOf>[0]> & Pick<Parameters<typeof actionOf>[0], "kind">) => {
    const { command, request } = actionOf({ ...nothing, id: "it", ...item })
    return [command, `${request.method} ${request.path}`]
  }

  it("F48: is the same as a command and as a request, for each kind", () => {
    assert.deepStrictEqual(suggested({ kind: "run", runId: "r1", reasonCode: "permanent" }), [
      "kintsugi recover run r1",
      "POST /api/v1/runs/r1/recover"
    ])
    assert.deepStrictEqual(suggested({ kind: "run", runId: "r1", reasonCode: "waiting_for_store" }), [
      "kintsugi inspect run r1",
      "GET /api/v1/runs/r1"
    ])
    assert.deepStrictEqual(suggested({ kind: "recovery", recoveryId: "c1" }), [
      "kintsugi recover recovery c1",
      "POST /api/v1/recoveries/c1/retry"
    ])
    assert.deepStrictEqual(suggested({ kind: "materialization", runId: "r2" }), [
      "kintsugi recover run r2",
      "POST /api/v1/runs/r2/recover"
    ])
    assert.deepStrictEqual(suggested({ kind: "projection", id: "projection:run_list_v1" }), [
      "kintsugi rebuild run_list_v1",
      "POST /api/v1/admin/projections/run_list_v1/rebuild"
    ])
    assert.deepStrictEqual(suggested({ kind: "finding" }), [
      "kintsugi integrity recover",
      "POST /api/v1/integrity/recover"
    ])
  })

  it("quotes what a shell would take apart, and escapes what a path would", () => {
    assert.deepStrictEqual(suggested({ kind: "run", runId: "it's $HOME" }), [
      `kintsugi recover run 'it'\\''s $HOME'`,
      "POST /api/v1/runs/it's%20%24HOME/recover"
    ])
  })
})
