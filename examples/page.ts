/** Text that stands for itself in XML and HTML. */
export const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")

/** A static HTML page; `body` is HTML. */
export const page = (title: string, body: ReadonlyArray<string>): string =>
  [
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escaped(title)}</title>`,
    "<style>body{font-family:sans-serif;margin:2rem;max-width:60rem}td,th{padding:.2rem .8rem;text-align:left}",
    "td:not(:first-child){font-variant-numeric:tabular-nums}svg,img{max-width:100%;height:auto}</style>",
    `<h1>${escaped(title)}</h1>`,
    ...body,
    "</html>",
    ""
  ].join("\n")

/** An HTML table of texts. */
export const table = (header: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  `<table>${row("th", header)}${rows.map((cells) => row("td", cells)).join("")}</table>`

const row = (tag: "td" | "th", cells: ReadonlyArray<string>): string =>
  `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("")}</tr>`
