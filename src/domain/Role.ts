import { Schema } from "effect"

/** What a principal may do: `viewer` reads, `operator` also steers runs and recoveries, `admin` does everything. */
export const Role = Schema.Literals(["viewer", "operator", "admin"])
export type Role = typeof Role.Type

/** Every role may do what those before it may. */
export const roles: ReadonlyArray<Role> = Role.literals

/** Whether a principal with the role `held` (null: none) may do what needs the role `needed`. */
export const mayAct = (held: Role | null, needed: Role): boolean =>
  held !== null && roles.indexOf(held) >= roles.indexOf(needed)
