import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { token } from "../chaos/serverProcess.ts"
import { eventually, inStatus, napApp, napping, withFolder } from "../e2e/processSupport.ts"

const root = join(import.meta.dirname, "../..")
const read = (file: string) => readFileSync(join(root, file), "utf8")

interface Declared {
  readonly type: string
  readonly labels: ReadonlyArray<string>
}

/** The table of the manual. */
const manual = new Map(
  [...read("docs/TELEMETRY.md").matchAll(/^\| `(kintsugi_\w+)(?:\{([\w,]+)\})?` \| (\w+) \|/gm)].map(
    ([, name, labels, type]): [string, Declared] => [name!, { type: type!, labels: labels?.split(",").sort() ?? [] }]
  )
)

interface Family {
  type: string
  help: string
  readonly samples: Array<{ readonly name: string; readonly labels: ReadonlyArray<string>; readonly value: number }>
}

/** Prometheus text by its grammar; throws on a line that is none of it, and on a family that is there twice. */
const parse = (text: string): ReadonlyMap<string, Family> => {
  const families = new Map<string, Family>()
  const label = String.raw`[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*"`
  const sample = new RegExp(
    String.raw`^([a-zA-Z_:][\w:]*)(?:\{(${label}(?:,${label})*),?\})? ([+-]?(?:\d[\d.e+-]*|Inf)|NaN)$`
  )
  assert.match(text, /\n$/)
  for (const line of text.slice(0, -1).split("\n")) {
    const head = /^# (HELP|TYPE) (\w+) (.*)$/.exec(line)
    if (head !== null) {
      const [, kind, name, rest] = head as unknown as [string, string, string, string]
      const family = families.get(name) ?? { type: "", help: "", samples: [] }
      const field = kind === "HELP" ? "help" : "type"
      assert.strictEqual(family[field], "", `${kind} of ${name} comes twice`)
      family[field] = rest
      families.set(name, family)
      continue
    }
    const found = sample.exec(line)
    assert(found !== null, `no line of the format: ${line}`)
    const name = found[1]!
    const family = families.get(name) ?? families.get(name.replace(/_(?:bucket|sum|count)$/, ""))
    assert(family !== undefined, `${name} has no TYPE before it`)
    const labels = [...(found[2] ?? "").matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)].map(([, key]) => key!)
    family.samples.push({ name, labels, value: Number(found[3]!.replace("Inf", "Infinity")) })
  }
  return families
}

/** Names and labels of a PromQL expression: what it selects by, and what it groups by. */
const usedBy = (expression: string) => {
  const selectors = [...expression.matchAll(/\b(kintsugi_\w+)(?:\{([^}]*)\})?/g)].map(([, name, matchers]) => ({
    name: name!,
    labels: [...(matchers ?? "").matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, key]) => key!)
  }))
  const grouped = [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, keys]) => keys!.split(/,\s*/))
  return { selectors, grouped }
}

const expressions = (): ReadonlyArray<readonly [where: string, expression: string]> => {
  const dashboard = JSON.parse(read("deploy/grafana-dashboard.json")) as {
    readonly panels: ReadonlyArray<{
      readonly title: string
      readonly targets: ReadonlyArray<{ readonly expr: string }>
    }>
  }
  const lines = read("deploy/prometheus-alerts.yml").split("\n")
  const alerts = lines.flatMap((line, index) => {
    const alert = /^ {6}- alert: (\w+)$/.exec(line)?.[1]
    if (alert === undefined) return []
    const begin = /^ {8}expr: (.*)$/.exec(lines[index + 1] ?? "")
    assert(begin !== null, `${alert} begins with its expression`)
    const more: Array<string> = []
    if (begin[1] === ">-") {
      for (let next = index + 2; /^ {10}\S/.test(lines[next] ?? ""); next++) more.push(lines[next]!.trim())
    }
    return [[alert, begin[1] === ">-" ? more.join(" ") : begin[1]!] as const]
  })
  return [
    ...dashboard.panels.flatMap(({ targets, title }) => targets.map(({ expr }) => [title, expr] as const)),
    ...alerts
  ]
}

describe("the metrics of a server", () => {
  it.live(
    "F81 F82: all that the manual, the dashboard and the alerts name are exposed, with these types and labels",
    () =>
      withFolder(async ({ folder, start }) => {
        // Nobody listens there: what is dropped is counted, and the runs do not notice.
        const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9", OTEL_BSP_SCHEDULE_DELAY: "20" }
        const server = await start({ app: napApp(folder), env })
        await inStatus(server.client, await napping(server.client, 1), "succeeded")
        // The second is answered with the first: a conflict.
        for (let start = 0; start < 2; start++) {
          await server.client.run("naps", { parameters: { ms: 500 }, runKey: "one", idempotencyKey: `one-${start}` })
        }
        const scrape = async () => {
          const response = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })
          assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/)
          return parse(await response.text())
        }
        const live = await eventually("counters of the log", async () => {
          const families = await scrape()
          return families.get("kintsugi_runs_total")!.samples.length > 0 && families
        })
        for (const [name, { labels, type }] of manual) {
          const family = live.get(name)
          assert(family !== undefined, `${name} is in the manual and not exposed`)
          assert.strictEqual(family.type, type, name)
          assert.notStrictEqual(family.help, "", `${name} has no HELP`)
          for (const sample of family.samples) {
            assert.deepStrictEqual(sample.labels.filter((label) => label !== "le").sort(), labels, name)
          }
        }
        for (const name of live.keys()) {
          if (name.startsWith("kintsugi_")) assert(manual.has(name), `${name} is exposed and not in the manual`)
        }
        // A streak of failures is one also where none has ever succeeded, and its first failure is an increase.
        const zeros = (name: string) =>
          assert.deepStrictEqual(
            live.get(name)!.samples.map(({ value }) => value),
            live.get(name)!.samples.map(() => 0),
            name
          )
        for (const name of ["kintsugi_recovery_attempts_total", "kintsugi_recovery_failures_total"]) {
          assert.isNotEmpty(live.get(name)!.samples, name)
          zeros(name)
        }
        const routes = [...live.get("kintsugi_http_requests_total")!.samples]
        assert.isNotEmpty(routes)
        for (const { type, samples } of live.values()) {
          if (type === "counter") for (const { value } of samples) assert.isAtLeast(value, 0)
        }

        const all = expressions()
        assert.isAtLeast(all.length, 30)
        for (const [where, expression] of all) {
          const { grouped, selectors } = usedBy(expression)
          assert.isNotEmpty(selectors, where)
          for (const { labels, name } of selectors) {
            const base = manual.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, "")
            const declared = manual.get(base)
            assert(declared !== undefined, `${where} names ${name}, which is not exposed`)
            assert.strictEqual(base !== name, declared.type === "histogram", `${where}: ${name}`)
            for (const label of [...labels, ...grouped]) {
              assert.include([...declared.labels, "le"], label, `${where}: ${name} has no label ${label}`)
            }
          }
          let depth = 0
          for (const character of expression.replaceAll(/"[^"]*"/g, "")) {
            if ("([{".includes(character)) depth++
            if (")]}".includes(character)) depth--
            assert.isAtLeast(depth, 0, where)
          }
          assert.strictEqual(depth, 0, where)
        }

        // Derived from the log, so a restart changes nothing.
        const before = live.get("kintsugi_runs_total")!.samples
        server.signal("SIGKILL")
        await server.ended
        const again = await start({ app: napApp(folder) })
        const response = await fetch(`${again.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })
        assert.deepStrictEqual(parse(await response.text()).get("kintsugi_runs_total")!.samples, before)
      })
  )

  it("F82: there is an alert for each thing that has to wake somebody", () => {
    const alerts = read("deploy/prometheus-alerts.yml")
    for (const alert of [
      ...["RecoveryCapReached", "RecoveryFailureStreak", "Backlog", "RecoveryLoop", "StuckWaiter"],
      ...["ProjectionLag", "SafeHorizonHeld", "StoreUnavailable"]
    ]) {
      assert.include(alerts, `- alert: Kintsugi${alert}\n`)
    }
    const count = alerts.match(/- alert:/g)!.length
    for (const field of ["expr:", "labels:", "summary:", "action:"]) {
      assert.lengthOf(alerts.match(new RegExp(`^ +${field}`, "gm"))!, count, field)
    }
  })
})
