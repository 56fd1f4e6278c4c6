import { Context, Effect, Layer, Semaphore } from "effect"
import { disagreements } from "../domain/AssetAgreement.ts"
import type { Definition } from "../domain/Definition.ts"
import * as Id from "../domain/Id.ts"
import { pathText, type Problem } from "../domain/JsonBounds.ts"
import { cycleText, updateCycles, updatingInputs } from "../domain/UpdateCycles.ts"
import { Definitions } from "./Definitions.ts"
import { InvalidInput } from "./Engine.ts"

/**
 * What definitions cannot say beside each other. Rounds of updates that would never end are refused when a workflow is
 * defined, or allowed and known (F21, T31); so is what contradicts the others about an asset (`disagreements`).
 */
export class UpdateLoops extends Context.Service<
  UpdateLoops,
  {
    /**
     * Puts a definition unless it would close a round that `allowCycle` does not allow, or contradict the newest of all
     * others. One at a time: two definitions that close a round between them are never both put.
     */
    readonly guard: <A, E, R>(
      definition: Definition,
      put: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | InvalidInput, R>
    /** These are about to be put one by one: until each is, the others are judged as if it were. */
    readonly announce: (definitions: ReadonlyArray<Definition>) => void
    /** Whether updates of the asset to the workflow are part of a round that is allowed. */
    readonly isCyclic: (workflow: string, assetId: string) => boolean
  }
>()("kintsugi/actors/UpdateLoops") {
  static readonly layer = Layer.effect(
    UpdateLoops,
    Effect.gen(function* () {
      const definitions = yield* Definitions
      const one = yield* Semaphore.make(1)
      const announced = new Map<string, Definition>()
      let known: { readonly changes: number; readonly cyclic: ReadonlySet<string> } | null = null

      const problems = (definition: Definition): ReadonlyArray<Problem> => {
        const newest = new Map(definitions.all().map((defined) => [defined.slug, defined.definition]))
        for (const [slug, expected] of announced) newest.set(slug, expected)
        newest.set(definition.slug, definition)
        const all = [...newest.values()]
        return [
          ...disagreements(definition, definitions.latest(definition.slug)?.definition, all),
          ...rounds(definition, all)
        ]
      }

      const rounds = (definition: Definition, all: ReadonlyArray<Definition>): ReadonlyArray<Problem> => {
        // Nothing updates it, so that no round goes through it.
        if (updatingInputs(definition).length === 0) return []
        return updateCycles(all)
          .refused.filter(({ workflows }) => workflows.includes(definition.slug))
          .map((cycle) => ({
            path: optInPath(definition),
            message: `would make updates go round for ever: ${cycleText(cycle)}; "allowCycle": true in an autoMaterialize of these workflows accepts that, at most one round a cool-down`
          }))
      }

      return UpdateLoops.of({
        guard: (definition, put) =>
          one.withPermits(1)(
            Effect.gen(function* () {
              const found = problems(definition)
              if (found.length > 0) return yield* new InvalidInput({ problems: found })
              const result = yield* put
              announced.delete(definition.slug)
              return result
            })
          ),
        announce: (expected) => {
          for (const definition of expected) announced.set(definition.slug, definition)
        },
        isCyclic: (workflow, assetId) => {
          const changes = definitions.changes()
          if (known?.changes !== changes) {
            const { cyclicInputs } = updateCycles(definitions.all().map(({ definition }) => definition))
            known = { changes, cyclic: new Set(cyclicInputs.map((input) => keyOf(input.workflow, input.assetId))) }
          }
          return known.cyclic.has(keyOf(workflow, assetId))
        }
      })
    })
  )
}

const keyOf = (workflow: string, assetId: string): string => JSON.stringify([workflow, Id.assetKey(assetId)])

/** Where the workflow opts in to updates, for the message. */
const optInPath = ({ steps }: Definition): string => {
  for (const [step, { produces }] of steps.entries()) {
    const position = produces.findIndex(({ autoMaterialize }) => autoMaterialize?.onUpstreamUpdate === true)
    if (position >= 0) return pathText(["steps", step, "produces", position, "autoMaterialize", "onUpstreamUpdate"])
  }
  return "steps"
}
