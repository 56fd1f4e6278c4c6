/** `skipped`: it could not be looked at, because of what another finding tells. */
export type Status = "ok" | "warning" | "error" | "skipped"

/** One thing that was looked at. `why` and `command` are there when it is not in order. */
export interface Finding {
  /** What was looked at, such as `database` or `store inbox`. */
  readonly check: string
  readonly status: Status
  /** What was found. */
  readonly what: string
  /** Why it matters. */
  readonly why: string | null
  /** What mends it, ready to be typed. */
  readonly command: string | null
}

export const ok = (check: string, what: string): Finding => ({ check, status: "ok", what, why: null, command: null })

export const skipped = (check: string, what: string): Finding => ({ ...ok(check, what), status: "skipped" })

export const warning = (check: string, what: string, why: string, command: string): Finding => ({
  ...{ check, status: "warning", what, why, command }
})

export const error = (check: string, what: string, why: string, command: string): Finding => ({
  ...{ check, status: "error", what, why, command }
})
