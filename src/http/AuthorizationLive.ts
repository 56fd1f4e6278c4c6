import { Context, Effect, Layer, Redacted, type Types } from "effect"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import type { HttpApiEndpoint } from "effect/http-api"
import { mayAct, type Role } from "../domain/Role.ts"
import { Authorization, Principal, PrincipalRole, roleFor } from "./api/Guards.ts"
import { ForbiddenProblem, UnauthorizedProblem, type UnavailableProblem } from "./api/Problems.ts"
import { Authenticate, type Identity } from "./Authenticate.ts"

type Refused = Types.unhandled | UnauthorizedProblem | ForbiddenProblem | UnavailableProblem
type Named = Identity & { readonly role: Role }

/** Lets in whom `Authenticate` knows, if the role is enough for the endpoint. */
export const layer: Layer.Layer<Authorization, never, Authenticate> = Layer.effect(
  Authorization,
  Effect.map(Authenticate, ({ identify }) => ({
    bearer: (httpEffect, { credential, endpoint }) =>
      Effect.flatMap(identify(credential), (identity): Effect.Effect<HttpServerResponse, Refused> => {
        if (identity === null) return Effect.fail(unauthorized(Redacted.value(credential) === ""))
        if (!isEnough(identity, endpoint)) return Effect.fail(forbidden(identity, endpoint))
        const context = Context.make(Principal, identity.principal).pipe(Context.add(PrincipalRole, identity.role))
        return Effect.provideContext(httpEffect, context)
      })
  }))
)

const isEnough = (identity: Identity, endpoint: HttpApiEndpoint.Top): identity is Named =>
  mayAct(identity.role, roleFor(endpoint))

const forbidden = ({ principal, role }: Identity, endpoint: HttpApiEndpoint.Top): ForbiddenProblem => {
  const requiredRole = roleFor(endpoint)
  const detail = `This needs the role ${requiredRole}; ${principal} ${role === null ? "has none" : `is ${role}`}`
  return new ForbiddenProblem({ detail, requiredRole, role })
}

const unauthorized = (isAbsent: boolean) =>
  new UnauthorizedProblem({
    detail: isAbsent ? "Send the token as Authorization: Bearer <token>" : "The bearer token is not valid"
  })
