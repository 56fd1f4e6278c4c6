import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import type { Partitioning } from "../../src/domain/Definition.ts"
import * as PartitionMapping from "../../src/domain/PartitionMapping.ts"
import * as TimeWindow from "../../src/domain/TimeWindow.ts"

type Windows = Extract<Partitioning, { readonly type: "timeWindow" }>
const limit = 10_000
const now = Date.parse("2026-03-29T12:30:00Z")
const berlin = "Europe/Berlin"
const runKey = "{{ run.partitionKey }}"

const windows = (granularity: Windows["granularity"], lookbackWindows?: number, timezone = berlin): Windows => ({
  type: "timeWindow",
  granularity,
  timezone,
  ...(lookbackWindows === undefined ? {} : { lookbackWindows })
})
const fixed = (...keys: ReadonlyArray<string>): Partitioning => ({ type: "static", keys })
const dynamic: Partitioning = { type: "dynamic" }
const known = (...keys: ReadonlyArray<string>): PartitionMapping.Known => {
  const set = new Set(keys)
  return { has: (key) => set.has(key), keys: () => set }
}
const mapping = (
  partitions: PartitionMapping.Mapping["partitions"],
  upstream: Partitioning | undefined,
  consumer: Partitioning | undefined,
  partitionKey = runKey
): PartitionMapping.Mapping => ({ partitions, upstream, consumer, partitionKey })

/** Given a mapping and recorded productions, what a run needs. */
const needs = (
  given: PartitionMapping.Mapping,
  partitionKey: string | undefined,
  recorded: PartitionMapping.Known,
  at = now
) => Result.getOrThrow(PartitionMapping.needed(given, { partitionKey }, recorded, at, limit))

/** Given a mapping and recorded productions of both, which runs a production starts. */
const starts = (
  given: PartitionMapping.Mapping,
  producedKey: string,
  upstream: PartitionMapping.Known = known(producedKey),
  consumer: PartitionMapping.Known = known(),
  at = now
) => Result.getOrThrow(PartitionMapping.started(given, producedKey, upstream, consumer, at, limit))

describe("PartitionMapping: what a run needs", () => {
  it("needs the same window of an asset with the same calendar, in the asset's own format (F64)", () => {
    const days = windows("day")
    assert.deepStrictEqual(needs(mapping("same", days, days), "2026-03-28", known()).keys, ["2026-03-28"])
    const dotted: Windows = { ...days, format: "dd.MM.yyyy" }
    assert.deepStrictEqual(needs(mapping("same", dotted, days), "2026-03-28", known()).keys, ["28.03.2026"])
  })

  it("needs each finer window inside its own, 23 or 25 hours a day where clocks change, and those begun (F64, T19)", () => {
    const daily = mapping("same", windows("hour"), windows("day"))
    assert.strictEqual(needs(daily, "2025-10-26", known()).keys.length, 25)
    // 14:30 on the day without an hour from 02:00.
    const begun = needs(daily, "2026-03-29", known()).keys
    assert.deepStrictEqual(begun.slice(0, 3), ["2026-03-29T00", "2026-03-29T01", "2026-03-29T03"])
    assert.deepStrictEqual([begun.length, begun[begun.length - 1]], [14, "2026-03-29T14"])
  })

  it("needs the coarser window that covers its own, and two where its own spans them (F64)", () => {
    assert.deepStrictEqual(needs(mapping("same", windows("day"), windows("hour")), "2026-03-29T03", known()).keys, [
      "2026-03-29"
    ])
    assert.deepStrictEqual(needs(mapping("same", windows("month"), windows("week")), "2025-W27", known()).keys, [
      "2025-06",
      "2025-07"
    ])
    assert.deepStrictEqual(
      needs(mapping("same", windows("day", 1, "UTC"), windows("day")), "2026-03-28", known()).keys,
      ["2026-03-27", "2026-03-28"]
    )
  })

  it("needs the newest n windows up to its own, or to the current one without one (F64)", () => {
    const last = { last: 3 }
    assert.deepStrictEqual(needs(mapping(last, windows("day"), windows("day")), "2026-03-10", known()).keys, [
      "2026-03-10",
      "2026-03-09",
      "2026-03-08"
    ])
    assert.deepStrictEqual(needs(mapping(last, windows("hour"), windows("day")), "2026-03-29", known()).keys, [
      "2026-03-29T14",
      "2026-03-29T13",
      "2026-03-29T12"
    ])
    assert.deepStrictEqual(needs(mapping({ last: 1 }, windows("day"), undefined), undefined, known()).keys, [
      "2026-03-29"
    ])
    assert.deepStrictEqual(needs(mapping(last, fixed("a", "b", "c", "d"), undefined), undefined, known("a")).keys, [
      "b",
      "c",
      "d"
    ])
    assert.deepStrictEqual(needs(mapping({ last: 2 }, dynamic, undefined), undefined, known("z", "a", "b")).keys, [
      "a",
      "b"
    ])
  })

  it("needs every recorded partition with all, and says when there is none", () => {
    assert.deepStrictEqual(needs(mapping("all", dynamic, windows("day")), "2026-03-28", known("b", "a")).keys, [
      "b",
      "a"
    ])
    for (const partitions of ["all", { last: 2 }] as const) {
      assert.deepStrictEqual(needs(mapping(partitions, dynamic, undefined), undefined, known()), {
        keys: [],
        reason: "nothing of the consumed asset has been produced yet"
      })
    }
  })

  it("takes the run's key for an asset without declared partitions, unless that is produced whole (F65, T21)", () => {
    const days = windows("day")
    assert.deepStrictEqual(needs(mapping("same", undefined, days), "2026-03-28", known()).keys, ["2026-03-28"])
    assert.deepStrictEqual(needs(mapping("same", undefined, days), "2026-03-28", known("")).keys, [""])
    assert.deepStrictEqual(needs(mapping("same", undefined, days), "2026-03-28", known("", "2026-03-28")).keys, [
      "2026-03-28"
    ])
    assert.deepStrictEqual(needs(mapping("same", undefined, undefined), undefined, known()).keys, [""])
    assert.deepStrictEqual(needs(mapping("same", undefined, undefined), "eu", known("")).keys, ["eu"])
  })

  it("needs every recorded partition in a run without a key, as the widest window would", () => {
    assert.deepStrictEqual(needs(mapping("same", dynamic, undefined), undefined, known("a", "b")).keys, ["a", "b"])
  })

  it("needs exactly the partition that a template of its own names, if the asset has it", () => {
    const given = mapping("same", fixed("eu-1"), undefined, "eu-{{ run.partitionKey }}")
    const named = (key: string) =>
      Result.getOrThrow(PartitionMapping.needed(given, { partitionKey: "x", named: key }, known(), now, limit))
    assert.isTrue(PartitionMapping.isNamed(given))
    assert.deepStrictEqual(named("eu-1").keys, ["eu-1"])
    assert.deepStrictEqual(named("eu-2"), {
      keys: [],
      reason: '"eu-2" is not a declared key of the consumed asset'
    })
    assert.isFalse(PartitionMapping.isNamed(mapping("same", dynamic, dynamic, '{{run["partitionKey"]}}')))
  })

  it("refuses a template beside all or last, which nothing would look at (T20)", () => {
    assert.include(
      PartitionMapping.mappingFault({ partitions: { last: 2 }, partitionKey: "eu" }) ?? "",
      'is only for partitions: "same"'
    )
    assert.strictEqual(PartitionMapping.mappingFault({ partitions: "all", partitionKey: runKey }), undefined)
    assert.strictEqual(PartitionMapping.mappingFault({ partitions: "same", partitionKey: "eu" }), undefined)
  })

  it("says when what it needs has not begun, is no window, or is too much", () => {
    const days = mapping("same", windows("day"), windows("day"))
    assert.deepStrictEqual(needs(days, "2026-03-30", known()), { keys: [], reason: '"2026-03-30" has not begun' })
    assert.include(needs(days, "eu", known()).reason ?? "", "must name a day")
    assert.include(needs(mapping("same", windows("day"), dynamic), "eu", known()).reason ?? "", "must name a day")
    const minutes = PartitionMapping.needed(
      mapping("same", windows("minute"), windows("day")),
      { partitionKey: "2026-03-28" },
      known(),
      now,
      1439
    )
    assert.deepStrictEqual(
      minutes,
      Result.fail({ _tag: "BeyondLimit", limit: 1439, message: "there are more than 1439 partitions" })
    )
  })
})

describe("PartitionMapping: which runs a production starts", () => {
  it("starts the run of the same partition, and none that the consumer does not have (F55, T16)", () => {
    const given = mapping("same", fixed("a", "b", "c"), fixed("a", "b"))
    assert.deepStrictEqual(starts(given, "b"), { runs: ["b"] })
    assert.deepStrictEqual(starts(given, "c"), { runs: [], reason: '"c" is not a declared key of the consumer' })
    assert.deepStrictEqual(starts(mapping("same", dynamic, dynamic), "new"), { runs: ["new"] })
  })

  it("starts the run of the covering window, and each run inside a wider one that has begun (F64)", () => {
    assert.deepStrictEqual(starts(mapping("same", windows("hour"), windows("day")), "2026-03-29T03").runs, [
      "2026-03-29"
    ])
    assert.strictEqual(starts(mapping("same", windows("day"), windows("hour")), "2025-10-26").runs.length, 25)
    assert.strictEqual(starts(mapping("same", windows("day"), windows("hour")), "2026-03-29").runs.length, 14)
  })

  it("starts one run without a key where the consumer has no partitions (F55)", () => {
    for (const [partitions, upstream] of [
      ["same", windows("day")],
      ["all", dynamic],
      [{ last: 2 }, windows("day")]
    ] as const) {
      assert.deepStrictEqual(starts(mapping(partitions, upstream, undefined), "2026-03-29"), { runs: [undefined] })
    }
    assert.deepStrictEqual(starts(mapping("same", undefined, undefined), ""), { runs: [undefined] })
    assert.deepStrictEqual(starts(mapping("same", undefined, undefined), "eu"), { runs: ["eu"] })
  })

  it("starts no run of a window older than the lookback, and says so (F64)", () => {
    const given = mapping("same", windows("day"), windows("day", 2))
    assert.deepStrictEqual(starts(given, "2026-03-28").runs, ["2026-03-28"])
    assert.deepStrictEqual(starts(given, "2026-03-27"), {
      runs: [],
      reason: "the consumer's window is older than its lookbackWindows 2"
    })
    const named = mapping("same", dynamic, windows("day", 2))
    assert.include(starts(named, "2026-03-27").reason ?? "", "lookbackWindows 2")
    assert.deepStrictEqual(starts(named, "2026-03-29").runs, ["2026-03-29"])
  })

  it("starts the runs whose newest n have the window", () => {
    const given = mapping({ last: 3 }, windows("day"), windows("day"))
    assert.deepStrictEqual(starts(given, "2026-03-20").runs, ["2026-03-20", "2026-03-21", "2026-03-22"])
    assert.deepStrictEqual(starts(given, "2026-03-28").runs, ["2026-03-28", "2026-03-29"])
    assert.deepStrictEqual(starts(mapping({ last: 3 }, windows("day"), undefined), "2026-03-26"), {
      runs: [],
      reason: '"2026-03-26" is not among the newest 3'
    })
  })

  it("derives the run from a template with text around the run's key, and from nothing else", () => {
    const around = mapping("same", dynamic, fixed("1"), "eu-{{ run.partitionKey }}.csv")
    assert.deepStrictEqual(starts(around, "eu-1.csv").runs, ["1"])
    assert.include(starts(around, "us-1.csv").reason ?? "", "is not of the form")
    assert.include(starts(around, "eu-.csv").reason ?? "", "is not of the form")
    assert.include(starts(around, "eu-2.csv").reason ?? "", "is not a declared key of the consumer")
    for (const template of [
      "{{ parameters.day }}",
      "{{ run.partitionKey }}{{ run.partitionKey }}",
      "{{ run.id }}",
      "{{"
    ]) {
      assert.include(
        starts(mapping("same", dynamic, dynamic, template), "a").reason ?? "",
        "cannot be derived from consumes.partitionKey"
      )
    }
  })

  it("starts every partition of the consumer for the one constant key that they consume", () => {
    const given = mapping("same", dynamic, fixed("a", "b"), "eu")
    assert.deepStrictEqual(starts(given, "eu").runs, ["a", "b"])
    assert.deepStrictEqual(starts(given, "us"), { runs: [], reason: 'only partition "eu" is consumed' })
    const recorded = mapping("same", undefined, windows("day"), "")
    assert.deepStrictEqual(starts(recorded, "", known(""), known("2026-03-01", "x", "2026-03-30")).runs, ["2026-03-01"])
    assert.deepStrictEqual(starts(recorded, ""), { runs: [], reason: "the consumer has no partition yet" })
  })

  it("fails when more runs would start than the limit, and starts none of them (T23)", () => {
    const day = PartitionMapping.started(
      mapping("same", windows("day"), windows("minute")),
      "2026-03-28",
      known("2026-03-28"),
      known(),
      now,
      1000
    )
    assert.strictEqual(Result.getOrThrow(Result.flip(day)).limit, 1000)
    const all = mapping("all", dynamic, fixed("a", "b", "c"))
    assert.isTrue(Result.isFailure(PartitionMapping.started(all, "x", known("x"), known(), now, 2)))
    const last = mapping({ last: 500 }, windows("day"), windows("day"))
    assert.isTrue(Result.isFailure(PartitionMapping.started(last, "2025-03-28", known(), known(), now, 9)))
  })
})

describe("PartitionMapping: both ways", () => {
  const granularity = fc.constantFrom("hour" as const, "day" as const, "week" as const, "month" as const)
  const zone = fc.constantFrom(berlin, "UTC", "Asia/Kathmandu", "America/Sao_Paulo")
  const lookback = fc.integer({ min: 1, max: 40 })
  const someWindows = fc
    .tuple(granularity, lookback, zone)
    .map(([unit, count, timezone]): Partitioning => windows(unit, count, timezone))
  const letters = ["a", "b", "c", "d", "e"]
  const someStatic = fc
    .uniqueArray(fc.constantFrom(...letters, "2026-03-28"), { minLength: 1 })
    .map((keys): Partitioning => fixed(...keys))
  const somePartitioning = fc.oneof(
    { weight: 4, arbitrary: someWindows },
    { weight: 2, arbitrary: someStatic },
    fc.constant(dynamic),
    fc.constant(undefined)
  )
  const somePartitions = fc.oneof(
    { weight: 3, arbitrary: fc.constant("same" as const) },
    fc.constant("all" as const),
    fc.integer({ min: 1, max: 30 }).map((last) => ({ last }))
  )
  const template = fc.constantFrom(runKey, "a", "", `x${runKey}`, `${runKey}y`)
  /** Some days before and after a change of clocks. */
  const instant = fc
    .tuple(
      fc.constantFrom("2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2018-11-04T03:00:00Z", "1985-12-31T18:30:00Z"),
      fc.integer({ min: -4 * 86_400_000, max: 4 * 86_400_000 })
    )
    .map(([change, distance]) => Date.parse(change) + distance)
  const someCase = fc.record({
    partitions: somePartitions,
    upstream: somePartitioning,
    consumer: somePartitioning,
    partitionKey: template,
    at: instant,
    age: fc.nat({ max: 20 }),
    recorded: fc.uniqueArray(fc.constantFrom(...letters, "", "xa", "by")),
    own: fc.uniqueArray(fc.constantFrom(...letters, "2026-03-28"))
  })

  /** The runs that a consumer may have at `at`. Keys of no declared set are those recorded, and `named` by the production. */
  const universe = (
    { consumer, partitionKey, upstream }: PartitionMapping.Mapping,
    own: ReadonlyArray<string>,
    named: ReadonlyArray<string>,
    at: number
  ): ReadonlyArray<string | undefined> => {
    if (consumer?.type === "static") return consumer.keys
    if (consumer?.type === "dynamic") return [...new Set([...own, ...named])]
    if (consumer?.type === "timeWindow") {
      return TimeWindow.windowsBack(consumer, at, consumer.lookbackWindows ?? 0).map(({ key }) => key)
    }
    // Only a template of its own, or an input without declared partitions, tells a key for a run that needs none.
    if (partitionKey !== runKey && named.length > 0) return named
    return upstream === undefined ? [undefined, ...named] : [undefined]
  }

  it("starts exactly the runs that need what was produced, of those that the consumer may have", () => {
    let many = 0
    fc.assert(
      fc.property(someCase, ({ age, at, consumer, own, partitionKey, partitions, recorded, upstream }) => {
        const given = mapping(partitions, upstream, consumer, partitions === "same" ? partitionKey : runKey)
        const producedKey =
          upstream?.type === "timeWindow"
            ? TimeWindow.windowsBack(upstream, at, age + 1)[age]!.key
            : upstream?.type === "static"
              ? upstream.keys[age % upstream.keys.length]!
              : (recorded.filter((key) => upstream === undefined || key !== "")[0] ?? "a")
        const upstreamKnown = known(...recorded.filter((key) => upstream === undefined || key !== ""), producedKey)
        const consumerKnown = known(...own)
        const found = PartitionMapping.started(given, producedKey, upstreamKnown, consumerKnown, at, limit)
        const { reason, runs } = Result.getOrThrow(found)
        const isByKey = partitions === "same" && given.partitionKey.includes("{{")
        const inner = producedKey.slice(
          given.partitionKey.startsWith("x") ? 1 : 0,
          given.partitionKey.endsWith("y") ? -1 : undefined
        )
        const wanted = universe(given, own, isByKey && inner !== "" ? [inner] : [], at).filter((key) => {
          if (given.partitionKey !== runKey && isByKey && key === undefined) return false
          const named = given.partitionKey === runKey ? {} : { named: given.partitionKey.replace(runKey, key ?? "") }
          const run = { partitionKey: key, ...named }
          return Result.getOrThrow(PartitionMapping.needed(given, run, upstreamKnown, at, limit)).keys.includes(
            producedKey
          )
        })
        assert.deepStrictEqual(new Set(runs), new Set(wanted))
        assert.strictEqual(new Set(runs).size, runs.length)
        assert.strictEqual(runs.length === 0, reason !== undefined)
        if (runs.length > 1) many++
      }),
      { numRuns: 3000 }
    )
    assert(many > 300, `only ${many} cases start several runs`)
  })
})
