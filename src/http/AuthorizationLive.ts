import { Context, Effect, Layer } from "effect"
import type { HttpApiEndpoint } from "effect/http-api"
import { mayAct, type Role } from "../domain/Role.ts"
import { Admission } from "./Admission.ts"
import { Authorization, Principal, PrincipalRole, roleFor } from "./api/Guards.ts"
import { ForbiddenProblem } from "./api/Problems.ts"
import type { Identity } from "./Authenticate.ts"

type Named = Identity & { readonly role: Role }

/** Lets in whom `Admission` does, if the role is enough for the endpoint. */
export const layer: Layer.Layer<Authorization, never, Admission> = Layer.effect(
  Authorization,
  Effect.map(Admission, ({ admit }) => ({
    bearer: Effect.fnUntraced(function* (httpEffect, { credential, endpoint }) {
      const identity = yield* admit(credential)
      if (!isEnough(identity, endpoint)) return yield* forbidden(identity, endpoint)
      const context = Context.make(Principal, identity.principal).pipe(Context.add(PrincipalRole, identity.role))
      return yield* Effect.provideContext(httpEffect, context)
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
