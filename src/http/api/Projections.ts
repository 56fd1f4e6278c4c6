import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { ProjectionStatus } from "./Admin.ts"
import { commandHeaders, done, optionalBody, PositionText, Reason, Text } from "./Fields.ts"
import { Authorization, BodyRules, RequestRules, RequiredRole } from "./Guards.ts"
import { IllegalTransitionProblem, KeyReusedProblem, NotFoundProblem, UnavailableProblem } from "./Problems.ts"

const command = {
  params: { name: Text(100) },
  headers: commandHeaders,
  success: done(ProjectionStatus).pipe(HttpApiSchema.status(202)),
  error: [NotFoundProblem, IllegalTransitionProblem, KeyReusedProblem, UnavailableProblem]
}

/** A reason has to be given where something is left out for good. */
const NeededReason = Reason.check(Schema.isMinLength(1, { message: "must say why, in 1 to 2000 characters" }))

export class ProjectionsApi extends HttpApiGroup.make("projections")
  .add(
    HttpApiEndpoint.post("rebuildProjection", "/:name/rebuild", {
      ...command,
      payload: optionalBody(Schema.Struct({ reason: Schema.optionalKey(Reason) }))
    })
      .middleware(BodyRules)
      .annotate(RequiredRole, "admin")
      .annotate(
        OpenApi.Description,
        "Builds the read model anew beside the one that is read, and switches when level. `GET /admin/projections` shows how far it is."
      ),
    HttpApiEndpoint.post("skipProjectionEvent", "/:name/skip", {
      ...command,
      payload: Schema.Struct({ position: PositionText, reason: NeededReason })
    })
      .middleware(BodyRules)
      .annotate(RequiredRole, "admin")
      .annotate(
        OpenApi.Description,
        "Lets a stopped read model go on without the event that it stopped before: its `errorPosition`."
      )
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1/admin/projections")
  .annotateMerge(OpenApi.annotations({ title: "Projections", description: "What can be done to read models." })) {}
