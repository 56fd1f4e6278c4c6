import type { FailureClass } from "../domain/Failure.ts"

/** One situation of DuckDB, which reports all of them as a plain Error: only the message tells them apart. */
export interface DuckDbRow {
  readonly situation: string
  readonly pattern: RegExp
  readonly class: FailureClass
  readonly code: string
}

/** What each message of DuckDB means; first match wins. */
export const rows: ReadonlyArray<DuckDbRow> = [
  {
    situation: "no such file",
    pattern: /^IO Error: No files found that match the pattern/,
    class: "asset_missing",
    code: "not_found"
  },
  {
    situation: "no such object behind a URL",
    pattern: /^(?:HTTP|IO) Error: .*(?:HTTP|URL|HEAD).*\b404\b/s,
    class: "asset_missing",
    code: "http_not_found"
  },
  {
    situation: "not a Parquet file, or the end of one is cut off",
    pattern: /^Invalid Input Error: (?:No magic bytes found at end of file|File '.*' too small to be a Parquet file)/s,
    class: "corrupt",
    code: "not_parquet"
  },
  {
    situation: "a Parquet file with broken pages",
    pattern: /^Invalid Input Error: (?:Failed to read file "|Invalid string encoding found in Parquet file)/,
    class: "corrupt",
    code: "broken_parquet"
  },
  {
    situation: "a Parquet file with a broken header or footer",
    pattern: /^Invalid Error: (?:Out of buffer|Variable-length int|TProtocolException|don't know what type)/,
    class: "corrupt",
    code: "broken_parquet"
  },
  {
    situation: "out of memory or spill space",
    pattern: /^Out of Memory Error:/,
    class: "transient",
    code: "out_of_memory"
  },
  { situation: "interrupted", pattern: /^INTERRUPT Error:/, class: "transient", code: "interrupted" },
  {
    situation: "a file that may not be touched",
    pattern: /^Permission Error:/,
    class: "permanent",
    code: "access_denied"
  },
  {
    situation: "a statement or value that is wrong",
    pattern:
      /^(?:Binder|Parser|Catalog|Conversion|Syntax|Invalid Input|Invalid Type|Mismatch Type|Out of Range|Divide by Zero|Constraint|Not implemented|Dependency|Sequence|Parameter Not Resolved|Parameter Not Allowed|Expression|Missing Extension) Error:/,
    class: "permanent",
    code: "invalid_query"
  },
  {
    situation: "the local disk or the engine itself",
    pattern:
      /^(?:IO|INTERNAL|FATAL|Invalid|Connection|Transaction|TransactionContext|Serialization|Network|HTTP) Error:/,
    class: "transient",
    code: "engine_error"
  }
]

/** The first row that fits; undefined when the message is none of DuckDB's. */
export const classifyDuckDb = (message: string): DuckDbRow | undefined =>
  /^[A-Za-z ]+ Error: /.test(message) ? rows.find((row) => row.pattern.test(message)) : undefined
