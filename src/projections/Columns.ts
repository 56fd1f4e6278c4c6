import * as PgTypes from "@effect/sql-pg/PgTypes"
import { Result } from "effect"

/**
 * Array parameters for `unnest($1, …)`, one a column. The type is given because the driver would infer it from the
 * values, and an array of nothing but nulls has none.
 */
const column = (elementOid: number) => (values: ReadonlyArray<unknown>) =>
  Result.getOrThrow(PgTypes.array(values, elementOid))

export const text: (values: ReadonlyArray<string | null>) => PgTypes.Parameter = column(PgTypes.OID.text)
export const int4: (values: ReadonlyArray<number | null>) => PgTypes.Parameter = column(PgTypes.OID.int4)
export const bool: (values: ReadonlyArray<boolean | null>) => PgTypes.Parameter = column(PgTypes.OID.bool)
/** Whole numbers in the safe range. */
export const int8 = (values: ReadonlyArray<number | null>): PgTypes.Parameter =>
  column(PgTypes.OID.int8)(values.map((value) => (value === null ? null : BigInt(value))))
/** Epoch ms. */
export const time: (values: ReadonlyArray<number | null>) => PgTypes.Parameter = column(PgTypes.OID.timestamptz)
