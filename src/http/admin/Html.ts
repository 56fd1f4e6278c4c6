/** Text that is HTML already: made by `html` only, so that nothing else gets into a page unescaped. */
export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

type Value = Html | string | number | null | ReadonlyArray<Html>

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

// Characters that turn the direction of a line could make one command look like another.
const bidi = /[\u202a-\u202e\u2066-\u2069]/g

export const escape = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => entities[character]!).replace(bidi, "\ufffd")

const shown = (value: Value): string => {
  if (value === null) return ""
  if (value instanceof Html) return value.text
  return typeof value === "object" ? value.map(({ text }) => text).join("") : escape(String(value))
}

/** A piece of a page; whatever is filled in is text, unless it is such a piece. Attributes must be quoted. */
export const html = (parts: TemplateStringsArray, ...values: ReadonlyArray<Value>): Html =>
  new Html(parts.map((part, index) => part + (index < values.length ? shown(values[index]!) : "")).join(""))
