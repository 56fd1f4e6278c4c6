import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Occurrences from "../../src/domain/Occurrences.ts"
import * as TimeWindow from "../../src/domain/TimeWindow.ts"

const minuteMs = 60_000
const dayMs = 86_400_000
const ms = (iso: string) => Date.parse(iso)
const iso = (instantMs: number | undefined) => (instantMs === undefined ? "none" : new Date(instantMs).toISOString())
const berlin = "Europe/Berlin"

const spec = (cron: string, timezone = "UTC", catchUp = false): Occurrences.Spec => ({
  cron,
  timezone,
  catchUp,
  window: "current"
})

/** The first `count` occurrences after an instant, without seconds. */
const following = (given: Occurrences.Spec, at: string, count: number): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (let from: number | undefined = ms(at); found.length < count; ) {
    from = Occurrences.next(given, from)
    found.push(iso(from).slice(0, 16))
    if (from === undefined) break
  }
  return found
}

const zones = [berlin, "UTC", "America/Sao_Paulo", "America/St_Johns", "Australia/Lord_Howe", "Asia/Beirut"]
const instant = fc.oneof(
  fc.integer({ min: ms("1990-01-01"), max: ms("2050-01-01") }),
  fc
    .tuple(
      fc.constantFrom(
        "2026-03-29T01:00:00Z",
        "2026-10-25T01:00:00Z",
        "2018-11-04T03:00:00Z",
        "2006-10-29T02:31:00Z",
        "2026-04-04T15:00:00Z"
      ),
      fc.integer({ min: -2 * dayMs, max: 2 * dayMs })
    )
    .map(([change, distance]) => ms(change) + distance)
)

describe("Occurrences", () => {
  it("finds the next occurrence on the clock of the zone, strictly after the instant", () => {
    assert.deepStrictEqual(following(spec("0 6 * * 1", "America/New_York"), "2026-03-06T00:00Z", 2), [
      "2026-03-09T10:00",
      "2026-03-16T10:00"
    ])
    assert.deepStrictEqual(following(spec("0 * * * *"), "2026-03-06T05:00Z", 1), ["2026-03-06T06:00"])
    assert.strictEqual(
      iso(Occurrences.next(spec("30 15 * * * *"), ms("2026-03-06T05:15:29.999Z"))),
      "2026-03-06T05:15:30.000Z"
    )
  })

  it("does not lose a daily occurrence where clocks skip its time: it is due when they go on", () => {
    assert.deepStrictEqual(following(spec("30 2 * * *", berlin), "2026-03-28T00:00Z", 3), [
      "2026-03-28T01:30",
      "2026-03-29T01:00",
      "2026-03-30T00:30"
    ])
    assert.deepStrictEqual(following(spec("*/15 2 * * *", berlin), "2026-03-28T02:00Z", 2), [
      "2026-03-29T01:00",
      "2026-03-30T00:00"
    ])
    assert.deepStrictEqual(following(spec("0 0 * * *", "America/Sao_Paulo"), "2018-11-03T04:00Z", 2), [
      "2018-11-04T03:00",
      "2018-11-05T02:00"
    ])
  })

  it("does not double a daily occurrence where clocks show its time twice: the first counts", () => {
    assert.deepStrictEqual(following(spec("30 2 * * *", berlin), "2026-10-24T01:00Z", 2), [
      "2026-10-25T00:30",
      "2026-10-26T01:30"
    ])
    // Asked within the second of the two hours.
    assert.deepStrictEqual(following(spec("30 2 * * *", berlin), "2026-10-25T01:10Z", 1), ["2026-10-26T01:30"])
  })

  it("lets an hourly occurrence follow the time that passes: 25 and 23 in a day where clocks change", () => {
    assert.deepStrictEqual(following(spec("0 * * * *", berlin), "2026-10-24T23:30Z", 4), [
      "2026-10-25T00:00",
      "2026-10-25T01:00",
      "2026-10-25T02:00",
      "2026-10-25T03:00"
    ])
    for (const [date, count] of [
      ["2026-03-29", 23],
      ["2026-10-25", 25]
    ] as const) {
      const day = TimeWindow.windowAt({ granularity: "day", timezone: berlin }, ms(`${date}T12:00Z`))
      for (const cron of ["0 * * * *", "59 0-23 * * *"]) {
        const { occurrences } = Occurrences.due(spec(cron, berlin, true), day.start - 1, day.end - 1, 100)
        assert.strictEqual(occurrences.length, count)
      }
    }
  })

  it("has exactly one daily occurrence in each day, in every zone", () => {
    const time = fc.tuple(fc.integer({ min: 0, max: 59 }), fc.integer({ min: 0, max: 23 }))
    fc.assert(
      fc.property(fc.constantFrom(...zones), instant, time, (timezone, at, [minute, hour]) => {
        const day = TimeWindow.windowAt({ granularity: "day", timezone }, at)
        const given = spec(`${minute} ${hour} * * *`, timezone, true)
        const { occurrences } = Occurrences.due(given, day.start - 1, day.end - 1, 10)
        assert.strictEqual(occurrences.length, 1, `${iso(at)} ${occurrences.map(iso)}`)
      }),
      { numRuns: 500 }
    )
  })

  it("goes forward only, and finds the same from wherever it starts", () => {
    const cron = fc.constantFrom("*/20 * * * *", "30 2 * * *", "15,45 1-3 * * *", "0 0 * * 1", "0 * * * *")
    fc.assert(
      fc.property(
        cron,
        fc.constantFrom(...zones),
        instant,
        fc.integer({ min: 1, max: dayMs }),
        (text, timezone, at, back) => {
          const given = spec(text, timezone)
          const found = Occurrences.next(given, at)!
          assert(found > at)
          assert.strictEqual(Occurrences.next(given, found - 1), found)
          const earlier = Occurrences.next(given, at - back)!
          assert(earlier <= found && (earlier > at ? earlier === found : true))
        }
      ),
      { numRuns: 500 }
    )
  })

  it("starts only the newest missed occurrence without catch-up, and counts the others", () => {
    const daily = spec("0 6 * * *")
    assert.deepStrictEqual(Occurrences.due(daily, ms("2026-03-01T06:00Z"), ms("2026-03-05T12:00Z"), 100), {
      occurrences: [ms("2026-03-05T06:00Z")],
      skipped: 3
    })
    assert.deepStrictEqual(Occurrences.due(daily, ms("2026-03-01T06:00Z"), ms("2026-03-02T05:59Z"), 100), {
      occurrences: [],
      skipped: 0
    })
    assert.deepStrictEqual(Occurrences.due(daily, ms("2026-03-01T06:00Z"), ms("2026-03-02T06:00Z"), 100), {
      occurrences: [ms("2026-03-02T06:00Z")],
      skipped: 0
    })
  })

  it("starts each missed occurrence with catch-up, oldest first, and counts those beyond the bound", () => {
    const daily = spec("0 6 * * *", "UTC", true)
    const from = ms("2026-03-01T06:00Z")
    const to = ms("2026-03-05T12:00Z")
    const days = [2, 3, 4, 5].map((day) => ms(`2026-03-0${day}T06:00Z`))
    assert.deepStrictEqual(Occurrences.due(daily, from, to, 4), { occurrences: days, skipped: 0 })
    assert.deepStrictEqual(Occurrences.due(daily, from, to, 3), { occurrences: days.slice(1), skipped: 1 })
    const minutes = Occurrences.due(spec("* * * * *", "UTC", true), from, to, 2)
    assert.deepStrictEqual(minutes, { occurrences: [to - minuteMs, to], skipped: Occurrences.skippedMax })
  })

  it("finds the newest ones as listing them all does", () => {
    const cron = fc.constantFrom("* * * * *", "*/7 3 * * *", "* * 1 * *", "0 0 1 1 *", "0 12 * * 5")
    const span = fc.integer({ min: 0, max: 3 * dayMs })
    fc.assert(
      fc.property(cron, instant, span, fc.integer({ min: 1, max: 30 }), (text, at, length, max) => {
        const given = spec(text, berlin, true)
        const all: Array<number> = []
        for (let next = Occurrences.next(given, at)!; next <= at + length; next = Occurrences.next(given, next)!)
          all.push(next)
        const { occurrences, skipped } = Occurrences.due(given, at, at + length, max)
        assert.deepStrictEqual(occurrences, all.slice(-max))
        assert.strictEqual(skipped, Math.min(Occurrences.skippedMax, all.length - occurrences.length))
      }),
      { numRuns: 60 }
    )
  })

  it("finds the newest of a burst long ago without listing the burst", () => {
    const january = spec("* * * 1 *")
    const { occurrences } = Occurrences.due(january, ms("2020-01-01T00:00Z"), ms("2026-12-01T00:00Z"), 1)
    assert.deepStrictEqual(occurrences.map(iso), ["2026-01-31T23:59:00.000Z"])
  })

  it("refuses a cron expression or zone that cannot be read, and a day that never comes", () => {
    assert.strictEqual(Occurrences.scheduleFault(spec("0 6 * * *", berlin)), undefined)
    assert.strictEqual(Occurrences.scheduleFault(spec("0 0 29 2 *")), undefined)
    assert.include(Occurrences.scheduleFault(spec("every day")) ?? "", 'cron "every day" is not a cron expression')
    assert.include(Occurrences.scheduleFault(spec("0 6 * * *", "Mars")) ?? "", 'timezone "Mars"')
    assert.strictEqual(Occurrences.scheduleFault(spec("0 0 30 2 *")), 'cron "0 0 30 2 *" names a day that never comes')
    assert.strictEqual(Occurrences.next(spec("0 0 30 2 *"), 0), undefined)
    assert.throws(() => Occurrences.next(spec("0 6 * * *", "Mars"), 0), /timezone "Mars"/)
  })

  it("keys an occurrence by workflow and instant, within the length of a run key", () => {
    const at = ms("2026-03-29T01:00Z")
    assert.strictEqual(Occurrences.occurrenceKey("orders", at), "orders@2026-03-29T01:00:00.000Z")
    const [one, other] = ["a", "b"].map((end) => Occurrences.occurrenceKey("x".repeat(119) + end, at))
    assert.isAtMost(one!.length, 120)
    assert.notStrictEqual(one, other)
  })
})
