/**
 * A text as bytes (one UTF-16 unit each), in one of the readings that it may be meant in, with the place in the text
 * from which each byte was read: `starts[i]` up to `starts[i + 1]`.
 */
export interface Reading {
  readonly bytes: string
  readonly starts: ReadonlyArray<number>
}

/** How often a text may have been escaped on its way, each time in any of the notations of `escapes`. */
const escapedMax = 3

/** Percent-encoding, JSON, HTML, and the `+` of forms. */
const escapes =
  /%([0-9a-f]{2})|\\u([0-9a-f]{4})|\\x([0-9a-f]{2})|&#(\d{1,7});|&#x([0-9a-f]{1,6});|&(amp|lt|gt|quot|apos);|\\([^ux])|(\+)/gi

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" }
const controls: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r" }

const utf8 = (text: string): string => Buffer.from(text).toString("latin1")
const codePoint = (code: number): string => (code <= 0x10_ffff ? utf8(String.fromCodePoint(code)) : "")

const unescaped = ({ bytes, starts }: Reading): Reading => {
  const read: Array<string> = []
  const places: Array<number> = []
  const take = (text: string, at: (index: number) => number) => {
    read.push(text)
    for (let index = 0; index < text.length; index++) places.push(at(index))
  }
  let next = 0
  for (const match of bytes.matchAll(escapes)) {
    const from = next
    take(bytes.slice(next, match.index), (index) => starts[from + index]!)
    const [whole, percent, unit, byte, decimal, hex, entity, escaped] = match
    const plain =
      percent !== undefined || byte !== undefined
        ? String.fromCharCode(Number.parseInt(percent ?? byte ?? "", 16))
        : unit !== undefined || hex !== undefined
          ? codePoint(Number.parseInt(unit ?? hex ?? "", 16))
          : decimal !== undefined
            ? codePoint(Number(decimal))
            : entity !== undefined
              ? (entities[entity.toLowerCase()] ?? "")
              : escaped !== undefined
                ? (controls[escaped] ?? escaped)
                : " "
    take(plain, () => starts[match.index]!)
    next = match.index + whole.length
  }
  const from = next
  take(bytes.slice(next), (index) => starts[from + index]!)
  return { bytes: read.join(""), starts: [...places, starts[bytes.length]!] }
}

/** ASCII only: nothing changes its length. The host of a URL is written in lower case. */
const lowerCase = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())

/** The text as it stands, then with its escapes taken back once, twice, … while there are any; in lower case. */
export const readings = (text: string): ReadonlyArray<Reading> => {
  const starts: Array<number> = []
  let at = 0
  const written: Array<string> = []
  for (const character of text) {
    const bytes = utf8(character)
    written.push(bytes)
    for (let index = 0; index < bytes.length; index++) starts.push(at)
    at += character.length
  }
  const found: Array<Reading> = [{ bytes: written.join(""), starts: [...starts, at] }]
  for (let times = 0; times < escapedMax; times++) {
    const last = found[found.length - 1]!
    const next = unescaped(last)
    if (next.bytes === last.bytes) break
    found.push(next)
  }
  return found.map((reading) => ({ ...reading, bytes: lowerCase(reading.bytes) }))
}

/** Shortest piece of a Base64 text that says something: six bytes. */
const piecesMin = 8

/** What is the same in every Base64 text that has the value somewhere within it: one piece for each way it may lie. */
const base64Pieces = (value: Buffer, encoding: "base64" | "base64url"): ReadonlyArray<string> =>
  [0, 1, 2].flatMap((before) => {
    const text = Buffer.concat([Buffer.alloc(before), value]).toString(encoding)
    const piece = text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + value.length) * 8) / 6))
    return piece.length < piecesMin ? [] : [piece]
  })

/** What a value says that is Base64 itself, as that of HTTP's basic authentication is: the text, and its password. */
const decoded = (value: string): ReadonlyArray<string> => {
  if (value.length < piecesMin || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(value)) return []
  const text = Buffer.from(value, "base64").toString("latin1")
  if (!/^[\x20-\x7e]+$/.test(text)) return []
  const password = text.slice(text.indexOf(":") + 1)
  return password.length < 4 ? [text] : [text, password]
}

/** Every form, as bytes, in which a value may come back; to be looked for in each of a text's `readings`. */
export const formsOf = (value: string): ReadonlyArray<string> => {
  const sent = Buffer.from(value, "latin1")
  const bytes = Buffer.from(value)
  const forms = [
    value,
    ...decoded(value),
    // Headers are sent in Latin 1: read as UTF-8, what is not ASCII becomes U+FFFD.
    sent.toString("utf8"),
    ...[bytes, sent].flatMap((written) => [
      ...[written.toString("base64"), written.toString("base64url"), written.toString("hex")],
      ...base64Pieces(written, "base64"),
      ...base64Pieces(written, "base64url")
    ])
  ]
  const found = new Set([lowerCase(sent.toString("latin1"))])
  for (const form of forms) for (const { bytes } of readings(form)) if (bytes !== "") found.add(bytes)
  return [...found]
}

/** Longest text, in bytes, that one byte of a value may have become: escaped twice, as `\\u00e9` or `&amp;#233;`. */
export const bytesPerByteMax = 12
