import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { type Definition, parseDefinition, type ProducedAsset } from "../../src/domain/Definition.ts"
import { components, shortestWay } from "../../src/domain/Graph.ts"
import { cycleText, updateCycles, updatingInputs } from "../../src/domain/UpdateCycles.ts"

interface Step {
  readonly makes?: ReadonlyArray<string>
  readonly uses?: ReadonlyArray<string>
  readonly after?: ReadonlyArray<string>
}
type Auto = NonNullable<ProducedAsset["autoMaterialize"]>
const auto: Auto = { enabled: true, onUpstreamUpdate: true, priority: 100, parameterDefaults: {}, allowCycle: false }
const accepting: Auto = { ...auto, allowCycle: true }

/** A workflow of steps; `policy` stands on each asset that it produces. */
const workflow = (
  slug: string,
  steps: { readonly [id: string]: Step },
  policy: Auto | undefined = auto
): Definition => {
  const parsed = Result.getOrThrow(
    parseDefinition({
      slug,
      steps: Object.entries(steps).map(([id, { after = [], makes = [], uses = [] }]) => ({
        id,
        jobSlug: "job",
        dependsOn: after,
        produces: makes.map((assetId) => ({ assetId })),
        consumes: uses.map((assetId) => ({ assetId }))
      }))
    })
  )
  if (policy === undefined) return parsed
  const produces = (made: ReadonlyArray<ProducedAsset>) => made.map((asset) => ({ ...asset, autoMaterialize: policy }))
  return { ...parsed, steps: parsed.steps.map((step) => ({ ...step, produces: produces(step.produces) })) }
}
const simple = (slug: string, uses: ReadonlyArray<string>, makes: ReadonlyArray<string>, policy?: Auto) =>
  workflow(slug, { only: { uses, makes } }, policy)
const passive = (slug: string, uses: ReadonlyArray<string>, makes: ReadonlyArray<string>) => ({
  ...workflow(slug, { only: { uses, makes } }, { ...auto, onUpstreamUpdate: false })
})

/** Given workflows, the cycles as text. */
const found = (...workflows: ReadonlyArray<Definition>) => {
  const { allowed, cyclicInputs, refused } = updateCycles(workflows)
  return {
    refused: refused.map(cycleText),
    allowed: allowed.map(cycleText),
    inputs: cyclicInputs.map(({ assetId, workflow }) => `${workflow} ${assetId}`).sort()
  }
}
const none = { refused: [], allowed: [], inputs: [] }

describe("UpdateCycles", () => {
  it("names two workflows that consume each other's asset (F21, T31)", () => {
    assert.deepStrictEqual(
      found(simple("report", ["archived"], ["report"]), simple("archive", ["Report"], ["archived"])),
      {
        refused: ["report –[report]→ archive –[archived]→ report"],
        allowed: [],
        inputs: ["archive Report", "report archived"]
      }
    )
  })

  it("finds none where an update does not go all the way round (F21)", () => {
    const archive = simple("archive", ["report"], ["archived"])
    assert.deepStrictEqual(found(passive("report", ["archived"], ["report"]), archive), none)
    const disabled = workflow(
      "report",
      { only: { uses: ["archived"], makes: ["report"] } },
      { ...auto, enabled: false }
    )
    assert.deepStrictEqual(found(disabled, archive), none)
    const silent = parseDefinition({
      slug: "report",
      steps: [{ id: "a", jobSlug: "job", produces: [{ assetId: "report" }], consumes: [{ assetId: "archived" }] }]
    })
    assert.deepStrictEqual(found(Result.getOrThrow(silent), archive), none)
    assert.deepStrictEqual(
      found(simple("a", ["x"], ["y"]), simple("b", ["y"], ["z"]), simple("c", ["x", "y"], ["w"])),
      none
    )
  })

  it("accepts a cycle of which one workflow allows it, and names its inputs for damping (T31)", () => {
    assert.deepStrictEqual(
      found(simple("report", ["archived"], ["report"], accepting), simple("archive", ["report"], ["archived"])),
      {
        refused: [],
        allowed: ["report –[report]→ archive –[archived]→ report"],
        inputs: ["archive report", "report archived"]
      }
    )
  })

  it("refuses a cycle beside an accepted one that does not go through the accepting workflow (T31)", () => {
    const { allowed, refused } = found(
      simple("a", ["y", "z"], ["x"]),
      simple("b", ["x"], ["y"]),
      simple("c", ["x"], ["z"], accepting)
    )
    assert.deepStrictEqual(refused, ["a –[x]→ b –[y]→ a"])
    assert.deepStrictEqual(allowed, ["c –[z]→ a –[x]→ c"])
  })

  it("finds a workflow that consumes its own asset of the run before, not what an earlier step of the run made (F21)", () => {
    const chain = workflow("orders", {
      load: { makes: ["raw"] },
      middle: { after: ["load"] },
      build: { after: ["middle"], uses: ["raw"], makes: ["parquet"] }
    })
    assert.deepStrictEqual(found(chain), none)
    assert.deepStrictEqual(updatingInputs(chain), [])
    const before = workflow("orders", {
      load: { uses: ["parquet"], makes: ["raw"] },
      build: { after: ["load"], makes: ["parquet"] }
    })
    assert.deepStrictEqual(found(before).refused, ["orders –[parquet]→ orders"])
    assert.deepStrictEqual(updatingInputs(before), ["parquet"])
    const both = workflow("orders", {
      compare: { uses: ["raw"] },
      load: { makes: ["raw"] },
      build: { after: ["load"], uses: ["raw"], makes: ["parquet"] }
    })
    assert.deepStrictEqual(found(both).refused, ["orders –[raw]→ orders"])
  })

  it("lets other makers update a workflow that uses what it makes in the same run", () => {
    const own = (slug: string) =>
      workflow(slug, { load: { makes: ["raw"] }, build: { after: ["load"], uses: ["raw"], makes: [`${slug}.out`] } })
    assert.deepStrictEqual(found(own("a"), passive("b", [], ["raw"])), none)
    assert.deepStrictEqual(found(own("a"), simple("b", ["a.out"], ["raw"])).refused, ["a –[a.out]→ b –[raw]→ a"])
    assert.deepStrictEqual(found(own("a"), own("b")).refused, ["a –[raw]→ b –[raw]→ a"])
  })

  it("names one shortest cycle for each group", () => {
    const { refused } = found(
      simple("a", ["d.x", "b.x"], ["a.x"]),
      simple("b", ["a.x"], ["b.x"]),
      simple("c", ["b.x"], ["c.x"]),
      simple("d", ["c.x"], ["d.x"]),
      simple("p", ["q.x"], ["p.x"]),
      simple("q", ["p.x"], ["q.x"])
    )
    assert.deepStrictEqual(refused, ["a –[a.x]→ b –[b.x]→ a", "p –[p.x]→ q –[q.x]→ p"])
  })

  it("takes 10,000 workflows that all use one asset, or form one long ring, in linear time", () => {
    const star = Array.from({ length: 10_000 }, (_, index) => simple(`w${index}`, ["hub"], [`out${index}`]))
    const ring = Array.from({ length: 10_000 }, (_, index) =>
      simple(`w${index}`, [`x${index}`], [`x${(index + 1) % 10_000}`])
    )
    const own = Array.from({ length: 10_000 }, (_, index) =>
      workflow(`w${index}`, {
        load: { makes: ["hub"] },
        build: { after: ["load"], uses: ["hub"], makes: [`out${index}`] }
      })
    )
    const start = performance.now()
    assert.strictEqual(updateCycles([passive("hub", [], ["hub"]), ...star]).refused.length, 0)
    assert.strictEqual(updateCycles(ring).refused[0]?.workflows.length, 10_000)
    assert.strictEqual(updateCycles(own).refused.length, 1)
    // 30,000 workflows take about 0.7 s; the bound only catches work that grows with their square.
    assert.isBelow(performance.now() - start, 5000)
  })

  it("has a cycle exactly where a workflow can reach itself", () => {
    const edge = fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 5 }))
    fc.assert(
      fc.property(
        fc.uniqueArray(edge, { selector: String, maxLength: 12 }),
        fc.subarray([0, 1, 2, 3, 4, 5]),
        (edges, accepts) => {
          // Each edge is an asset that `from` makes and `to` uses; its own it would use from the run before.
          const workflows = [0, 1, 2, 3, 4, 5].map((node) =>
            workflow(
              `w${node}`,
              {
                use: { uses: edges.filter(([, to]) => to === node).map(([from]) => `x${from}`) },
                make: { makes: [`x${node}`] }
              },
              accepts.includes(node) ? accepting : auto
            )
          )
          const reaches = (from: number, allowed: boolean): boolean => {
            const reached = new Set<number>()
            const open = [from]
            while (open.length > 0) {
              const node = open.pop()!
              for (const [source, to] of edges) {
                if (source !== node || reached.has(to) || (!allowed && accepts.includes(to))) continue
                reached.add(to)
                open.push(to)
              }
            }
            return reached.has(from)
          }
          const nodes = [0, 1, 2, 3, 4, 5]
          const { allowed, cyclicInputs, refused } = updateCycles(workflows)
          assert.strictEqual(
            refused.length > 0,
            nodes.some((node) => reaches(node, false))
          )
          assert.strictEqual(
            allowed.length > 0,
            nodes.some((node) => accepts.includes(node) && reaches(node, true))
          )
          assert.deepStrictEqual(
            new Set(cyclicInputs.map(({ workflow }) => workflow)),
            new Set(nodes.filter((node) => reaches(node, true)).map((node) => `w${node}`))
          )
          for (const cycle of [...refused, ...allowed]) {
            assert.strictEqual(new Set(cycle.workflows).size, cycle.workflows.length)
            for (const [index, slug] of cycle.workflows.entries()) {
              const next = cycle.workflows[(index + 1) % cycle.workflows.length]!
              assert.strictEqual(cycle.assets[index], `x${slug.slice(1)}`)
              assert(
                edges.some(([from, to]) => `w${from}` === slug && `w${to}` === next),
                cycleText(cycle)
              )
            }
          }
        }
      ),
      { numRuns: 500 }
    )
  })
})

describe("Graph", () => {
  it("puts two nodes in one component exactly if each reaches the other", () => {
    const edges = fc.array(fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 3 }), { minLength: 8, maxLength: 8 })
    fc.assert(
      fc.property(edges, (lists) => {
        const graph = lists.map((list) => list.map((to) => ({ to })))
        const component = components(graph)
        const reaches = (from: number, to: number) =>
          from === to || shortestWay(graph, from, to, () => true) !== undefined
        for (let one = 0; one < 8; one++) {
          for (let other = 0; other < 8; other++) {
            assert.strictEqual(component[one] === component[other], reaches(one, other) && reaches(other, one))
          }
        }
      })
    )
  })
})
