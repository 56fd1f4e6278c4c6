import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api"
import type { SalesRecord } from "./sales.ts"

export interface ParquetFile {
  readonly bytes: Uint8Array
  /** What the file says when it is read again. */
  readonly rows: number
  readonly revenue: number
}

const columns = [
  ["order_id", "VARCHAR"],
  ["date", "DATE"],
  ["region", "VARCHAR"],
  ["category", "VARCHAR"],
  ["channel", "VARCHAR"],
  ["units", "INTEGER"],
  ["unit_price", "DECIMAL(12, 2)"],
  ["revenue", "DECIMAL(16, 2)"]
] as const satisfies ReadonlyArray<readonly [keyof SalesRecord, string]>

/** The rows as a Parquet file of 8 columns. The same rows give the same bytes: one thread, rows in the given order. */
export const parquetOf = async (rows: ReadonlyArray<SalesRecord>): Promise<ParquetFile> => {
  const folder = await mkdtemp(join(tmpdir(), "retail-parquet-"))
  try {
    return await withDuckDb((connection) => written(connection, join(folder, "sales.parquet"), rows))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const withDuckDb = async <A>(work: (connection: DuckDBConnection) => Promise<A>): Promise<A> => {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" })
  try {
    const connection = await instance.connect()
    try {
      return await work(connection)
    } finally {
      connection.closeSync()
    }
  } finally {
    instance.closeSync()
  }
}

const written = async (
  connection: DuckDBConnection,
  path: string,
  rows: ReadonlyArray<SalesRecord>
): Promise<ParquetFile> => {
  const file = `'${path.replaceAll("'", "''")}'`
  await connection.run(`CREATE TABLE sales (${columns.map(([name, type]) => `${name} ${type}`).join(", ")})`)
  // Texts, which DuckDB reads exactly; a double would reach a decimal rounded once more.
  const values = columns.map(([, type], index) => `CAST($${index + 1} AS ${type})`).join(", ")
  for (const row of rows) {
    await connection.run(
      `INSERT INTO sales VALUES (${values})`,
      columns.map(([name]) => String(row[name]))
    )
  }
  await connection.run(`COPY sales TO ${file} (FORMAT parquet, COMPRESSION zstd)`)
  const read = await connection.runAndReadAll(
    `SELECT count(*)::INTEGER AS row_count, coalesce(sum(revenue), 0)::VARCHAR AS revenue FROM read_parquet(${file})`
  )
  const [found] = read.getRowObjectsJS()
  return { bytes: await readFile(path), rows: Number(found?.row_count), revenue: Number(found?.revenue) }
}
