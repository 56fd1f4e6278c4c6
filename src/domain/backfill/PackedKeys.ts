/**
 * Partition keys as one text: a line each, which says how many of the first characters are those of the line before it,
 * and what follows them. 100,000 minutes of a year are half a megabyte instead of two; no key has a line break in it.
 */
export const pack = (keys: ReadonlyArray<string>): string => {
  let before = ""
  return keys
    .map((key) => {
      const shared = sharedUnits(before, key)
      before = key
      return `${shared} ${key.slice(shared)}`
    })
    .join("\n")
}

/** The keys of a packed text; "" holds none. */
export const unpack = (packed: string): ReadonlyArray<string> => {
  if (packed === "") return []
  let before = ""
  return packed.split("\n").map((line) => {
    const space = line.indexOf(" ")
    before = before.slice(0, Number(line.slice(0, space))) + line.slice(space + 1)
    return before
  })
}

/** Never ends within a character of two units: half of one is no text that a database takes. */
const sharedUnits = (one: string, other: string): number => {
  const most = Math.min(one.length, other.length)
  let shared = 0
  while (shared < most && one.charCodeAt(shared) === other.charCodeAt(shared)) shared++
  const last = shared === 0 ? 0 : one.charCodeAt(shared - 1)
  return last >= 0xd800 && last <= 0xdbff ? shared - 1 : shared
}
