/** One row of a data set: values that DuckDB has a column type for. */
export type Row = Readonly<Record<string, unknown>>

export type ColumnType = "BIGINT" | "DOUBLE" | "VARCHAR" | "BOOLEAN" | "TIMESTAMP"

export interface Column {
  readonly name: string
  readonly type: ColumnType
}

/** Why rows cannot be written. */
export interface RowsFault {
  readonly code: "unsupported_value" | "mixed_column_types" | "reserved_column"
  readonly message: string
}

/** Added to what is written and to what is queried. */
export const partitionKeyColumn = "partition_key"

/**
 * The columns of `rows`, the union over all of them in the order of first appearance, or why there are none. Numbers
 * that are all whole become BIGINT, else DOUBLE; a `Date` becomes TIMESTAMP (UTC); texts stay as they are. A column
 * without any value becomes BOOLEAN, the one type that other partitions' types take in without changing.
 */
export const columnsOf = (rows: ReadonlyArray<Row>, partitionKey: string): ReadonlyArray<Column> | RowsFault => {
  const types = new Map<string, ColumnType | null>()
  for (const [index, row] of rows.entries()) {
    for (const [name, value] of Object.entries(row)) {
      if (name === partitionKeyColumn) {
        if (value === partitionKey) continue
        return { code: "reserved_column", message: `row ${index}: ${name} is added by the timestore` }
      }
      const before = types.get(name) ?? null
      const type = typeOf(value)
      if (type === undefined) return unsupported(index, name, value)
      const both = type === null ? before : before === null ? type : wider(before, type)
      if (both === undefined) {
        return { code: "mixed_column_types", message: `row ${index}: column ${name} holds ${before} and ${type}` }
      }
      types.set(name, both)
    }
  }
  return [...types].map(([name, type]) => ({ name, type: type ?? "BOOLEAN" }))
}

/** Whether `columnsOf` refused the rows. */
export const isFault = (columns: ReadonlyArray<Column> | RowsFault): columns is RowsFault => !Array.isArray(columns)

/** The type of a value; null for no value, undefined for one that has no type here. */
const typeOf = (value: unknown): ColumnType | null | undefined => {
  if (value === null || value === undefined) return null
  switch (typeof value) {
    case "number":
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? "BIGINT" : "DOUBLE"
    case "bigint":
      return BigInt.asIntN(64, value) === value ? "BIGINT" : undefined
    case "string":
      return "VARCHAR"
    case "boolean":
      return "BOOLEAN"
    default:
      return value instanceof Date && !Number.isNaN(value.getTime()) ? "TIMESTAMP" : undefined
  }
}

const wider = (left: ColumnType, right: ColumnType): ColumnType | undefined => {
  if (left === right) return left
  const numbers: ReadonlyArray<ColumnType> = ["BIGINT", "DOUBLE"]
  return numbers.includes(left) && numbers.includes(right) ? "DOUBLE" : undefined
}

const unsupported = (index: number, name: string, value: unknown): RowsFault => {
  const kind = Object.prototype.toString.call(value).slice(8, -1)
  return {
    code: "unsupported_value",
    message: `row ${index}: column ${name} holds a value of kind ${kind} that no column type takes`
  }
}
