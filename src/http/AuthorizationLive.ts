import { Context, Effect, Layer, Redacted, type Types } from "effect"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import type { HttpApiEndpoint } from "effect/http-api"
import { Authorization, mayAct, Principal, PrincipalRole, roleFor } from "./api/Guards.ts"
import { ForbiddenProblem, UnauthorizedProblem } from "./api/Problems.ts"
import { Authenticate, type Identity } from "./Authenticate.ts"

type Refused = Types.unhandled | UnauthorizedProblem | ForbiddenProblem

/** Lets in whom `Authenticate` knows, if the role is enough for the endpoint. */
export const layer: Layer.Layer<Authorization, never, Authenticate> = Layer.effect(
  Authorization,
  Effect.map(Authenticate, ({ identify }) => ({
    bearer: (httpEffect, { credential, endpoint }) =>
      Effect.flatMap(identify(credential), (identity): Effect.Effect<HttpServerResponse, Refused> => {
        if (identity === null) return Effect.fail(unauthorized(Redacted.value(credential) === ""))
        const refusal = refusalOf(identity, endpoint)
        if (refusal !== null) return Effect.fail(refusal)
        const context = Context.make(Principal, identity.principal).pipe(Context.add(PrincipalRole, identity.role))
        return Effect.provideContext(httpEffect, context)
      })
  }))
)

const refusalOf = ({ principal, role }: Identity, endpoint: HttpApiEndpoint.Top): ForbiddenProblem | null => {
  const requiredRole = roleFor(endpoint)
  if (mayAct(role, requiredRole)) return null
  const detail = `This needs the role ${requiredRole}; ${principal} is ${role}`
  return new ForbiddenProblem({ detail, requiredRole, role })
}

const unauthorized = (isAbsent: boolean) =>
  new UnauthorizedProblem({
    detail: isAbsent ? "Send the token as Authorization: Bearer <token>" : "The bearer token is not valid"
  })
