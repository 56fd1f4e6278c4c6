/** Longest key of any store, in bytes of UTF-8 (S3's own limit). */
export const keyBytesMax = 1024

/** Present in every root that was used before; its absence is how a wiped store is told from an empty one. */
export const markerKey = ".kintsugi/store"

/** Where the bytes of a corrupt object go before it is healed. */
export const quarantinePrefix = ".quarantine/"

const internalPrefix = ".kintsugi/"

// The C0 controls and DEL: NUL ends a path in C, and the others cannot be listed in S3's XML.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const control = /[\u0000-\u001f\u007f]/

/**
 * What is wrong with `key` as the name of an object, or null. The same rule for every store, so that a location can
 * move between them: `/`-separated segments, none of them empty, `.` or `..`, without backslashes and control
 * characters. Nothing is decoded: `%2e%2e` is a name like any other.
 */
export const fault = (key: string): string | null => {
  if (key === "") return "a key must not be empty"
  return key.endsWith("/") ? "a key must not end with a slash" : faultOfPath(key)
}

/** What is wrong with `prefix` as the start of keys, or null; "" and a trailing slash are fine. */
export const faultOfPrefix = (prefix: string): string | null =>
  prefix === "" ? null : faultOfPath(prefix.endsWith("/") ? prefix.slice(0, -1) : prefix)

/** Whether the key belongs to the runtime. Compared without case, because some file systems do so too. */
export const isReserved = (key: string): boolean => isInternal(key) || startsWith(key, quarantinePrefix)

/** Whether the key belongs to the driver itself (marker, temporary files). */
export const isInternal = (key: string): boolean => startsWith(key, internalPrefix)

/** Whether the path is one of the reserved folders or below it: listings leave it out. */
export const isHidden = (path: string): boolean => isReserved(`${path}/`)

const startsWith = (key: string, prefix: string): boolean => `${key}/`.toLowerCase().startsWith(prefix)

const faultOfPath = (path: string): string | null => {
  if (control.test(path)) return "a key must not contain control characters"
  if (path.includes("\\")) return "a key must not contain a backslash"
  if (!path.isWellFormed()) return "a key must be well-formed Unicode"
  if (Buffer.byteLength(path) > keyBytesMax) return `a key must not be longer than ${keyBytesMax} bytes`
  if (path.startsWith("/")) return "a key must not be absolute"
  for (const segment of path.split("/")) {
    if (segment === "" || segment === "." || segment === "..") return "a key must not have an empty, . or .. segment"
  }
  return null
}
