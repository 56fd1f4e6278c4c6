/** What a secret is replaced by. */
export const mark = "[redacted]"

/** Bounded: no pattern looks back over what it has read. */
const shapes: ReadonlyArray<readonly [RegExp, string]> = [
  [/\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/?#@"'<>]{1,500}@/gi, `$1${mark}@`],
  [/\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{12,}/gi, `$1 ${mark}`]
]

/** The text without the credentials of URLs and of headers: what is stored of an error that somebody has thrown. */
export const withoutCredentials = (value: string): string =>
  shapes.reduce((left, [shape, put]) => left.replace(shape, put), value)
