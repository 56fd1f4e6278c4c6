/** What a secret is replaced by. */
export const mark = "[redacted]"

const secretName = "(?:password|passwd|secret|token|api[-_]?key|access[-_]?key|signature|credential)"

/**
 * Bounded: no pattern looks back over what it has read. A name alone is no secret, so that "unexpected token: ]" stays: it
 * is one in a query, in a list of settings in capitals, or of a header that carries nothing else.
 */
const shapes: ReadonlyArray<readonly [RegExp, string]> = [
  [/\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/?#@"'<>]{1,500}@/gi, `$1${mark}@`],
  [/\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{12,}/gi, `$1 ${mark}`],
  [new RegExp(`([?&][\\w.-]{0,40}${secretName}=)[^\\s"'&#<>]{1,2000}`, "gi"), `$1${mark}`],
  [
    /\b((?:[A-Z0-9]{1,20}_){0,6}(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_KEY)=)[^\s"'&,;}]{1,2000}/g,
    `$1${mark}`
  ],
  [/\b(x-(?:[a-z]{1,20}-){0,4}(?:key|token|secret)["']?:\s{0,3}["']?)[^\s"',;}]{1,2000}/gi, `$1${mark}`],
  [/\b((?:set-)?cookie["']?:\s{0,3}["']?[^\s=;"']{1,200}=)[^\s"',;}]{1,2000}/gi, `$1${mark}`]
]

/** The text without the credentials of URLs and of headers: what is stored of an error that somebody has thrown. */
export const withoutCredentials = (value: string): string =>
  shapes.reduce((left, [shape, put]) => left.replace(shape, put), value)
