import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { groups } from "../../src/cli/SettingCatalogue.ts"
import { faultText } from "../../src/domain/Definition.ts"
import { parse } from "../../src/domain/DefinitionCheck.ts"

const faults = (...steps: ReadonlyArray<object>): ReadonlyArray<string> =>
  Result.match(
    parse({ slug: "orders", steps }, (slug) => slug === "job"),
    { onSuccess: () => [], onFailure: ({ problems }) => problems.map(faultText) }
  )

const list = { id: "list", jobSlug: "job" }
const http = { id: "ask", type: "http", request: { url: "https://example.com/" } }
const each = { id: "each", type: "fanOut", dependsOn: ["list"], over: "{{ steps.list.result }}" }
const fan = { ...each, step: { jobSlug: "job", parameters: { it: "{{ item.id }}", at: "{{ index }}" } } }

describe("the type of a step", () => {
  it("decides which fields it has; those of another type are refused by their path (F87)", () => {
    assert.deepStrictEqual(faults(list, http, fan), [])
    assert.deepStrictEqual(faults({ id: "a", jobSlug: "job", request: http.request, limit: 3 }), [
      'steps[0].request: belongs to type "http" only',
      'steps[0].limit: belongs to type "fanOut" only'
    ])
    assert.deepStrictEqual(faults({ ...http, jobSlug: "job", parameters: {}, heartbeatTimeoutMs: 5 }), [
      'steps[0].jobSlug: belongs to type "job" only',
      'steps[0].parameters: belongs to type "job" only',
      'steps[0].heartbeatTimeoutMs: belongs to type "job" only'
    ])
    assert.deepStrictEqual(faults(list, { ...fan, jobSlug: "job", produces: [], timeoutMs: 5 }), [
      "steps[1].jobSlug: belongs in step: each child has its own",
      "steps[1].produces: belongs in step: each child has its own",
      "steps[1].timeoutMs: belongs in step: each child has its own"
    ])
  })

  it("decides which fields it needs", () => {
    assert.deepStrictEqual(faults({ id: "a" }), ["steps[0].jobSlug: is required"])
    assert.deepStrictEqual(faults({ id: "a", type: "http" }), ['steps[0].request: is required of type "http"'])
    assert.deepStrictEqual(faults({ id: "a", type: "fanOut" }), [
      'steps[0].over: is required of type "fanOut"',
      'steps[0].step: is required of type "fanOut"'
    ])
    assert.deepStrictEqual(faults(list, { ...each, step: { type: "http" } }), [
      'steps[1].step.request: is required of type "http"'
    ])
  })

  it("is one of three, and no fan-out fans out", () => {
    assert.deepStrictEqual(faults({ id: "a", type: "shell", jobSlug: "job" }), [
      'steps[0].type: Expected "job" | "http" | "fanOut"'
    ])
    assert.deepStrictEqual(faults(list, { ...each, step: { type: "fanOut", over: "x", step: {} } }), [
      "steps[1].step.over: is not a known field",
      "steps[1].step.step: is not a known field",
      'steps[1].step.type: Expected "job" | "http"'
    ])
  })
})

describe("a fan-out", () => {
  it("has its jobs, assets and templates judged where they stand", () => {
    const step = {
      jobSlug: "nowhere",
      parameters: { it: "{{ items }}" },
      consumes: [{ assetId: "b", partitionKey: "{{ steps.gone.result }}" }],
      produces: [{ assetId: "b", schema: { type: "shoe" } }]
    }
    assert.deepStrictEqual(
      faults(list, { ...each, over: "{{ item }}", step }).map((fault) => fault.split(": ")[0]),
      [
        "steps[1].step.produces[0].schema.type",
        "steps[1].step.jobSlug",
        "steps[1].step.consumes[0].assetId",
        "steps[1].step.parameters.it",
        "steps[1].over",
        "steps[1].step.consumes[0].partitionKey"
      ]
    )
  })

  it("names its item by `as`, in its own templates only", () => {
    const step = { jobSlug: "job", parameters: { it: "{{ order.id }}" } }
    assert.deepStrictEqual(faults(list, { ...each, as: "order", step }), [])
    assert.match(faults(list, { ...each, step })[0] ?? "", /must start with one of run, .*, item, index/)
    assert.deepStrictEqual(faults(list, { ...each, as: "run", step: { jobSlug: "job" } }), [
      'steps[1].as: must not be "run", which names something else'
    ])
    assert.match(faults({ ...list, parameters: { it: "{{ item }}" } })[0] ?? "", /must start with one of/)
  })

  it("has bounds: at most 10,000 items and 1,000 children beside each other", () => {
    assert.deepStrictEqual(faults(list, { ...fan, limit: 10_001, concurrency: 0 }), [
      "steps[1].limit: must be a whole number from 1 to 10000",
      "steps[1].concurrency: must be a whole number from 1 to 1000"
    ])
  })
})

describe("an http step", () => {
  it("has its request judged: method, headers, body, secrets", () => {
    const request = {
      ...{ method: "FETCH", url: "", body: {}, timeoutMs: 0, cookies: 1 },
      headers: { host: "x", "a b": "y", ok: 5, token: { env: "KINTSUGI_ADMIN_TOKEN" } }
    }
    assert.deepStrictEqual(
      faults({ ...http, request }).map((fault) => fault.split(": ")[0]),
      [
        "steps[0].request.cookies",
        "steps[0].request.method",
        "steps[0].request.url",
        "steps[0].request.headers.ok",
        "steps[0].request.headers.token.env",
        "steps[0].request.timeoutMs"
      ]
    )
    assert.deepStrictEqual(faults({ ...http, request: { ...http.request, headers: { Host: "x", "a b": "y" } } }), [
      "steps[0].request.headers.Host: is a header that the connection sets itself",
      'steps[0].request.headers["a b"]: is no name of a header'
    ])
    assert.deepStrictEqual(faults({ ...http, request: { ...http.request, body: {} } }), [
      "steps[0].request.body: cannot be sent with GET"
    ])
    assert.deepStrictEqual(
      faults({ ...http, request: { ...http.request, headers: { a: { env: "KINTSUGI_ADMIN_TOKEN" } } } }),
      ["steps[0].request.headers.a.env: must not name KINTSUGI_ADMIN_TOKEN, a variable of the runtime itself"]
    )
  })

  it("F84: sends no secret of the runtime itself anywhere, whichever setting it is", () => {
    const secrets = groups.flatMap(({ settings }) =>
      Object.values(settings).flatMap(({ secret, variable }) => (secret === true ? [variable] : []))
    )
    assert.includeMembers(secrets, ["DATABASE_URL", "OPENLINEAGE_API_KEY", "OTEL_EXPORTER_OTLP_HEADERS"])
    for (const env of secrets) {
      assert.deepStrictEqual(faults({ ...http, request: { ...http.request, headers: { a: { env } } } }), [
        `steps[0].request.headers.a.env: must not name ${env}, a variable of the runtime itself`
      ])
    }
  })

  it("says what of its answer belongs to which asset, where there are several", () => {
    const produces = [{ assetId: "a" }, { assetId: "b" }]
    assert.deepStrictEqual(faults({ ...http, produces }), [
      "steps[0].assets: is required where several assets are produced: it says what of the answer belongs to which"
    ])
    assert.deepStrictEqual(
      faults({ ...http, produces, assets: [{ assetId: "A", payload: "{{ response.body.a }}" }, { assetId: "c" }] }),
      ['steps[0].assets[1].assetId: "c" is not among what the step produces']
    )
  })

  it("has its templates judged; only those of its assets may name the answer", () => {
    const request = {
      method: "POST",
      url: "{{ response }}",
      headers: { a: "{{ item }}" },
      body: ["{{ steps.x.result }}"]
    }
    assert.deepStrictEqual(
      faults({ ...http, request }).map((fault) => fault.split(": ")[0]),
      ["steps[0].request.url", "steps[0].request.headers.a", "steps[0].request.body[0]"]
    )
  })
})
