import type { FailureClass } from "../domain/Failure.ts"

/** What one HTTP status, or a range of them, means of a service that is not a store. */
export interface HttpRow {
  readonly from: number
  readonly to: number
  readonly class: FailureClass
  readonly code: string
}

/** First match wins. A service that is away is `transient`: only a store's absence makes steps wait for it. */
export const rows: ReadonlyArray<HttpRow> = [
  { from: 404, to: 404, class: "asset_missing", code: "http_not_found" },
  { from: 410, to: 410, class: "asset_missing", code: "http_gone" },
  { from: 408, to: 408, class: "transient", code: "http_request_timeout" },
  { from: 425, to: 425, class: "transient", code: "http_too_early" },
  { from: 429, to: 429, class: "transient", code: "http_too_many_requests" },
  { from: 401, to: 401, class: "permanent", code: "http_unauthorized" },
  { from: 403, to: 403, class: "permanent", code: "http_forbidden" },
  { from: 300, to: 499, class: "permanent", code: "http_refused" },
  { from: 500, to: 599, class: "transient", code: "http_server_error" }
]

/** The row of a status from 300 to 599; undefined for one that is no failure. */
export const classifyStatus = (status: number): HttpRow | undefined =>
  rows.find((row) => status >= row.from && status <= row.to)
