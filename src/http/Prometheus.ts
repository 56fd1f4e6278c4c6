export interface Sample {
  readonly suffix?: "_bucket" | "_sum" | "_count" | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Family {
  readonly name: string
  readonly type: "counter" | "gauge" | "histogram"
  readonly help: string
  readonly samples: ReadonlyArray<Sample>
}

/** Prometheus text format 0.0.4; families without samples are named too, so that a dashboard finds them. */
export const render = (families: ReadonlyArray<Family>): string => families.map(renderFamily).join("")

export const contentType = "text/plain; version=0.0.4; charset=utf-8"

const renderFamily = ({ help, name, samples, type }: Family): string => {
  const head = `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`
  return (
    head + samples.map((sample) => `${name}${sample.suffix ?? ""}${labels(sample)} ${number(sample.value)}\n`).join("")
  )
}

const labels = ({ labels }: Sample): string => {
  const parts = Object.entries(labels).map(([key, value]) => `${key}="${escapeLabel(value)}"`)
  return parts.length === 0 ? "" : `{${parts.join(",")}}`
}

const escapeHelp = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
const escapeLabel = (text: string): string => escapeHelp(text).replaceAll('"', '\\"')

const number = (value: number): string => {
  if (Number.isNaN(value)) return "NaN"
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf"
  return String(value)
}
