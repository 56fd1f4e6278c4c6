import type { DuckDBConnection } from "@duckdb/node-api"
import { Predicate } from "effect"

/** Table functions that make rows of their arguments and reach nothing else. */
const tableFunctions: ReadonlySet<string> = new Set([
  ...["range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"]
])

/** Scalar functions that tell of the engine or its host instead of the data, or write to its log. */
const tellTale = /^(?:pg_(?!typeof$)|duckdb_|pragma_|current_setting$|getenv$|getvariable$|write_log$|parse_duckdb_log)/

/**
 * Why a query may not run, by what it names, not by what it would come to: tables other than the data set's view and its
 * own WITH clauses, functions that read something else than their arguments, and whatever is no plain SELECT. null: it
 * may. The engine refuses files and the network by itself as well; this keeps its catalogue, settings and paths out of
 * answers. Text that DuckDB cannot parse is left to be told by the one who prepares it.
 */
export const objection = async (connection: DuckDBConnection, dataset: string, sql: string): Promise<string | null> => {
  const reader = await connection.runAndReadAll(serialize, [sql])
  const [row] = reader.getRowObjectsJS()
  const parsed: unknown = JSON.parse(String(row?.tree))
  if (!Predicate.isObject(parsed) || !("statements" in parsed)) {
    const isOther = Predicate.isObject(parsed) && "error_type" in parsed && parsed.error_type === "not implemented"
    return isOther ? "a query is a SELECT; this is another statement" : null
  }
  const own = await connection.runAndReadAll(catalogue)
  const taken = new Set(own.getRowObjectsJS().map(({ name }) => String(name)))
  const named = new Set([dataset.toLowerCase()])
  const nodes = [...nodesOf(parsed.statements)]
  for (const node of nodes) {
    for (const name of namesOf(node)) {
      // One of the engine's own names, given away in an inner SELECT, would open the real one to the outer.
      if (name !== dataset.toLowerCase() && taken.has(name)) return `a WITH clause may not be named ${name}`
      named.add(name)
    }
  }
  for (const node of nodes) {
    const why = fault(node, dataset, named)
    if (why !== null) return why
  }
  return null
}

const serialize = "SELECT json_serialize_sql($1::VARCHAR, skip_null := true, skip_empty := true) AS tree"
const catalogue = `SELECT lower(view_name) AS name FROM duckdb_views() UNION SELECT lower(table_name) FROM duckdb_tables()`

type Node = Readonly<Record<string, unknown>>

function* nodesOf(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const item of value) yield* nodesOf(item)
  else if (Predicate.isObject(value)) {
    yield value as Node
    for (const item of Object.values(value)) yield* nodesOf(item)
  }
}

/** Names that a node's WITH clause gives. */
const namesOf = ({ cte_map: clauses }: Node): ReadonlyArray<string> => {
  const entries = Predicate.isObject(clauses) && "map" in clauses ? clauses.map : []
  return Array.isArray(entries) ? entries.map(({ key }: { readonly key: unknown }) => String(key).toLowerCase()) : []
}

const fault = (node: Node, dataset: string, named: ReadonlySet<string>): string | null => {
  switch (node.type) {
    case "BASE_TABLE": {
      const name = String(node.table_name)
      const isOwn = name.toLowerCase() === dataset.toLowerCase()
      const isQualified = hasText(node.schema_name) || hasText(node.catalog_name)
      return (isOwn || !isQualified) && named.has(name.toLowerCase())
        ? null
        : `it may read ${dataset} and nothing else, and it names ${name}`
    }
    case "TABLE_FUNCTION": {
      const name = Predicate.isObject(node.function) ? String((node.function as Node).function_name) : ""
      return tableFunctions.has(name.toLowerCase()) ? null : `it may not use the table function ${name}`
    }
    case "SHOW_REF":
      return node.query === undefined ? `SHOW is not for queries: DESCRIBE ${dataset} tells the columns` : null
    case "FUNCTION": {
      const name = String(node.function_name).toLowerCase()
      return tellTale.test(name) ? `it may not use the function ${name}` : null
    }
    default:
      return null
  }
}

const hasText = (value: unknown): boolean => typeof value === "string" && value !== ""
