import type { DuckDBConnection, DuckDBPreparedStatement, DuckDBType, DuckDBValue } from "@duckdb/node-api"
import { Predicate } from "effect"
import { type DuckDbModule, identifier, literal } from "./DuckDb.ts"
import { partitionKeyColumn } from "./ParquetRows.ts"
import * as QueryGuard from "./QueryGuard.ts"

/** A query that is refused before it runs, or whose answer is too large to hand over. */
export class QueryRefused extends Error {
  readonly code: "not_a_query" | "out_of_bounds" | "unsupported_value" | "unused_parameter" | "result_too_large"
  constructor(code: QueryRefused["code"], message: string) {
    super(message)
    this.code = code
  }
}

/** The column in which DuckDB gives a row's file while the view is made; no data set has a column of this name. */
const fileColumn = "kintsugi_file"

/**
 * Runs one SELECT over a view named after the data set, which holds exactly `files`. Nothing else can be reached: the
 * statement can read those files only, can write none, and can change no setting. Answers at most `rowsMax` rows.
 */
export const queryFiles = async (
  connection: DuckDBConnection,
  duckdb: DuckDbModule,
  signal: AbortSignal,
  options: {
    readonly dataset: string
    readonly files: ReadonlyArray<{ readonly path: string; readonly partitionKey: string }>
    readonly folder: string
    readonly sql: string
    readonly params: ReadonlyArray<unknown>
    readonly rowsMax: number
  }
): Promise<ReadonlyArray<Readonly<Record<string, unknown>>>> => {
  const { dataset, files, folder, params, rowsMax, sql } = options
  await createView(connection, dataset, files).catch((cause: unknown) => {
    // The statement is ours: a user has no use for the line that DuckDB quotes from it.
    if (!(cause instanceof Error)) throw cause
    throw new Error(cause.message.split("\n\nLINE ")[0], { cause })
  })
  await connection.run(`SET allowed_directories = [${literal(folder)}]`)
  await connection.run("SET enable_external_access = false")
  await connection.run("SET lock_configuration = true")
  signal.throwIfAborted()
  const statement = await onlySelect(connection, duckdb, sql)
  const objection = await QueryGuard.objection(connection, dataset, sql)
  if (objection !== null) throw new QueryRefused("out_of_bounds", `the query is refused: ${objection}`)
  for (const [index, param] of params.entries()) {
    const value = parameter(duckdb, param, index)
    // A whole number without a type would go as HUGEINT, which few functions take.
    const type = typeof value === "bigint" && isInt64(value) ? duckdb.BIGINT : undefined
    bind(statement, index, value, type)
  }
  const reader = await statement.streamAndReadUntil(rowsMax + 1)
  if (reader.currentRowCount > rowsMax) {
    throw new QueryRefused("result_too_large", `the query answers more than ${rowsMax} rows: aggregate or limit them`)
  }
  return reader.getRowObjectsJS().map((row) => mapValues(row))
}

/** The files' columns by name, the union of all, and each row's partition key by the caller's word for its file. */
const createView = async (
  connection: DuckDBConnection,
  dataset: string,
  files: ReadonlyArray<{ readonly path: string; readonly partitionKey: string }>
): Promise<void> => {
  const list = files.map(({ path }) => literal(path)).join(", ")
  const source = `read_parquet([${list}], union_by_name = true, filename = ${literal(fileColumn)})`
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${source}`)
  const columns = described
    .getRowObjectsJS()
    .map((row) => String(row.column_name))
    .filter((name) => name !== fileColumn && name.toLowerCase() !== partitionKeyColumn)
    .map((name) => `f.${identifier(name)}, `)
    .join("")
  const keys = files.map(({ partitionKey, path }) => `(${literal(path)}, ${literal(partitionKey)})`).join(", ")
  await connection.run(`CREATE TABLE kintsugi_partitions AS SELECT * FROM (VALUES ${keys}) v(file, partition_key)`)
  await connection.run(`
    CREATE VIEW ${identifier(dataset)} AS SELECT ${columns}p.partition_key
    FROM ${source} f JOIN kintsugi_partitions p ON p.file = f.${fileColumn}`)
}

const onlySelect = async (
  connection: DuckDBConnection,
  { StatementType }: DuckDbModule,
  sql: string
): Promise<DuckDBPreparedStatement> => {
  const statements = await connection.extractStatements(sql).catch((cause: unknown) => {
    // Text without any statement has no message of its own; a wrong one is a Parser Error.
    if (!(cause instanceof Error)) throw cause
    if (cause.message === "Error in native callback") return { count: 0 } as const
    throw new Error(cause.message.replace(/^Failed to extract statements: /, ""), { cause })
  })
  if (statements.count !== 1) {
    throw new QueryRefused("not_a_query", `a query is one statement; these are ${statements.count}`)
  }
  const statement = await statements.prepare(0)
  if (statement.statementType !== StatementType.SELECT) {
    throw new QueryRefused("not_a_query", `a query is a SELECT; this is ${StatementType[statement.statementType]}`)
  }
  return statement
}

/** Whole numbers go as BIGINT, so that they can stand where DuckDB wants a whole number (LIMIT). */
const parameter = (duckdb: DuckDbModule, param: unknown, index: number): DuckDBValue => {
  if (param === null || param === undefined) return null
  switch (typeof param) {
    case "number":
      return Number.isSafeInteger(param) ? BigInt(param) : param
    case "string":
    case "boolean":
    case "bigint":
      return param
    default:
      if (param instanceof Date) return duckdb.timestampValueFromDate(param)
      throw new QueryRefused("unsupported_value", `parameter ${index + 1} is neither text, number, boolean nor date`)
  }
}

const bind = (
  statement: DuckDBPreparedStatement,
  index: number,
  value: DuckDBValue,
  type: DuckDBType | undefined
): void => {
  if (index >= statement.parameterCount) {
    throw new QueryRefused("unused_parameter", `the statement has ${statement.parameterCount} parameters`)
  }
  statement.bindValue(index + 1, value, type)
}

const isInt64 = (value: bigint): boolean => BigInt.asIntN(64, value) === value

const mapValues = (row: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)]))

/** Whole numbers as numbers where they fit, else as decimal text; everything else as DuckDB gives it. */
const plain = (value: unknown): unknown => {
  if (typeof value === "bigint") {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value.toString()
  }
  if (Array.isArray(value)) return value.map(plain)
  if (!Predicate.isObject(value) || value instanceof Date || value instanceof Uint8Array) return value
  return mapValues(value)
}
