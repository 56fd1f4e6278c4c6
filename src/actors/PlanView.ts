import { Effect } from "effect"
import { shownPartition } from "../domain/run/RunView.ts"
import { NotFound, type RecoveryPlanView } from "./Engine.ts"
import { planSteps, type RecoveryPlanner, rootCause } from "./RecoveryPlanner.ts"

/** A plan as users see it: what would run, in which order, and why; or why nothing can. */
export const planView = (planner: RecoveryPlanner["Service"], assetId: string, partitionKey: string | undefined) =>
  Effect.gen(function* () {
    const ref = { assetId, partitionKey: partitionKey ?? "" }
    const plan = yield* planner.plan(ref)
    const none: RecoveryPlanView = {
      assetId,
      partitionKey: shownPartition(ref.partitionKey),
      lostGeneration: 0,
      present: false,
      class: null,
      rootCause: null,
      plan: [],
      reasonCode: null,
      message: null
    }
    switch (plan.type) {
      case "present":
        return { ...none, present: true, lostGeneration: plan.state.latest?.generation ?? 0 }
      case "unavailable":
        return { ...none, message: `store ${plan.store} is unavailable: nothing is planned while blind` }
      case "unrecoverable": {
        const { generation, message, reasonCode, rootCause } = plan
        if (reasonCode === "no_producer" && generation === 0 && rootCause.assetId === assetId) {
          return yield* new NotFound({ kind: "asset", id: assetId })
        }
        return { ...none, lostGeneration: generation, rootCause, reasonCode, message }
      }
      case "planned": {
        const { planned } = plan
        return {
          ...none,
          lostGeneration: planned.generation,
          class: planned.class,
          rootCause: rootCause(planned),
          plan: planSteps(planned)
        }
      }
    }
  })
