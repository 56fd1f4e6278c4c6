import * as HttpSecrets from "./HttpSecrets.ts"

/** Shortest part of a URL that is hidden: a shorter one is in every text. UTF-16 units. */
const partMin = 4
/** Shown in place of what is hidden: `[secret of the URL]`. */
const name = "of the URL"

export interface Secrets extends HttpSecrets.Secrets {
  /** A message as people may see it: of each URL the origin, and of what else it quotes nothing that is hidden. */
  readonly shown: (message: string) => string
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** What comes after the origin: as a whole, then each segment of the path, and the names and values of the query. */
const partsOf = ({ hash, pathname, search, searchParams }: URL): ReadonlySet<string> => {
  const segments = pathname.split("/")
  const written = [pathname + search + hash, pathname + search, pathname, search.slice(1), hash.slice(1), ...segments]
  const named = [...searchParams].flat()
  const pieces = search.slice(1).split(/[&=]/)
  const parts = [...written, ...named, ...pieces].flatMap((part) => [part, decoded(part)])
  return new Set(parts.filter(({ length }) => length >= partMin))
}

/**
 * Hides what URLs may have as a secret, which is all but their origins: the path of a chat's hook is its password. An
 * answer may quote them, as a whole or in part. `values`: what else has to be hidden, by name.
 */
export const make = (urls: Iterable<URL>, values: Iterable<readonly [string, string]> = []): Secrets => {
  const known = [...urls]
  const parts = new Set(known.flatMap((url) => [...partsOf(url)]))
  const secrets = HttpSecrets.make([...values, ...[...parts].map((part) => [name, part] as const)])
  const origins = new Set(known.map(({ origin }) => `${origin}/…`))
  // The longest first: one may begin another.
  const whole = known.map(({ href, origin }) => ({ href, origin })).sort((a, b) => b.href.length - a.href.length)

  const withoutOrigins = (text: string, [origin, ...others]: ReadonlyArray<string>): string =>
    origin === undefined
      ? secrets.hides(text)
      : text
          .split(origin)
          .map((piece) => withoutOrigins(piece, others))
          .join(origin)

  return {
    ...secrets,
    shown: (message) => {
      const short = whole.reduce((text, { href, origin }) => text.replaceAll(href, `${origin}/…`), message)
      // An origin may have a word of its path.
      return withoutOrigins(short, [...origins])
    }
  }
}
