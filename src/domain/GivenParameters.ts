import { problems as ofDefaults } from "./DefaultParameters.ts"
import type { Outline } from "./DefinitionOutline.ts"
import { pathText, type Problem } from "./JsonBounds.ts"
import { checkAgainst, schemaProblems } from "./JsonSchemaCheck.ts"
import * as RunParameters from "./RunParameters.ts"
import * as TimeWindow from "./TimeWindow.ts"

/**
 * What is wrong with the parameters that a definition gives: a schema that cannot be applied, `defaultParameters` or an
 * `autoMaterialize.parameterDefaults` that no run could make right, and a schedule whose runs would all be refused,
 * since nobody gives them anything besides.
 */
export const parameterProblems = (outline: Outline): ReadonlyArray<Problem> => {
  const { defaultParameters = {}, parametersSchema } = outline
  if (parametersSchema === undefined) return []
  const faults = schemaProblems(parametersSchema, ["parametersSchema"])
  if (faults.length > 0) return faults
  const found = [
    ...ofDefaults(parametersSchema, defaultParameters, "defaultParameters"),
    ...policiesOf(outline).flatMap(({ parameters, path }) => ofDefaults(parametersSchema, parameters, pathText(path)))
  ]
  return found.length > 0 ? found : ofSchedule(outline)
}

/** Where a time window's parameter is judged: its texts differ from run to run, its shape does not. */
const exampleMs = 1_774_828_800_000

const policiesOf = ({ steps }: Outline) =>
  steps.flatMap(({ path, produces }) =>
    produces.flatMap(({ policy }, position) =>
      policy === undefined
        ? []
        : [{ parameters: policy, path: [...path, "produces", position, "autoMaterialize", "parameterDefaults"] }]
    )
  )

const ofSchedule = (outline: Outline): ReadonlyArray<Problem> => {
  const { defaultParameters = {}, parametersSchema = {}, schedule, steps } = outline
  if (schedule === undefined) return []
  const partitioning = steps
    .flatMap(({ produces }) => produces)
    .find((produced) => produced.partitioning !== undefined)?.partitioning
  const isWindow = partitioning?.type === "timeWindow" && TimeWindow.specProblems(partitioning).length === 0
  const { parameters } = RunParameters.merge({
    defaults: defaultParameters,
    policy: Object.assign({}, ...policiesOf(outline).map((policy) => policy.parameters)),
    window: isWindow
      ? RunParameters.windowOf(partitioning, TimeWindow.windowAt(partitioning, exampleMs).key)
      : undefined
  })
  return checkAgainst(parametersSchema, parameters, "defaultParameters").map(({ message, path }) => ({
    path,
    message: `${message}, or each run by the schedule is refused: nobody gives it other parameters`
  }))
}
