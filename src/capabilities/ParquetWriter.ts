import type { DuckDBAppender, DuckDBConnection } from "@duckdb/node-api"
import { type DuckDbModule, identifier, literal } from "./DuckDb.ts"
import { type Column, partitionKeyColumn, type Row } from "./ParquetRows.ts"

/** Rows between two looks at whether the work was interrupted. */
const rowsPerLook = 10_000

/**
 * Writes `rows` to a Parquet file at `path`, with the partition key as the last column. The same rows give the same
 * bytes: one thread, rows in the given order.
 */
export const writeParquet = async (
  connection: DuckDBConnection,
  duckdb: DuckDbModule,
  signal: AbortSignal,
  options: {
    readonly path: string
    readonly partitionKey: string
    readonly columns: ReadonlyArray<Column>
    readonly rows: ReadonlyArray<Row>
  }
): Promise<void> => {
  const { columns, partitionKey, path, rows } = options
  const all = [...columns, { name: partitionKeyColumn, type: "VARCHAR" } as const]
  const definition = all.map(({ name, type }) => `${identifier(name)} ${type}`).join(", ")
  await connection.run(`CREATE TABLE partition_rows (${definition})`)
  const appender = await connection.createAppender("partition_rows")
  for (const [index, row] of rows.entries()) {
    if (index % rowsPerLook === 0) signal.throwIfAborted()
    for (const column of columns) appendValue(appender, duckdb, column, row[column.name])
    appender.appendVarchar(partitionKey)
    appender.endRow()
  }
  appender.closeSync()
  await connection.run(`COPY partition_rows TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd)`)
}

const appendValue = (appender: DuckDBAppender, duckdb: DuckDbModule, { type }: Column, value: unknown): void => {
  if (typeof value === "number" || typeof value === "bigint") {
    if (type === "BIGINT") appender.appendBigInt(BigInt(value))
    else appender.appendDouble(Number(value))
  } else if (typeof value === "string") appender.appendVarchar(value)
  else if (typeof value === "boolean") appender.appendBoolean(value)
  else if (value instanceof Date) appender.appendTimestamp(duckdb.timestampValueFromDate(value))
  else appender.appendNull()
}
