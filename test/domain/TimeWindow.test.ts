import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as TimeWindow from "../../src/domain/TimeWindow.ts"

type Granularity = TimeWindow.Spec["granularity"]
const hourMs = 3_600_000
const dayMs = 24 * hourMs

const spec = (granularity: Granularity, timezone = "UTC", format?: string): TimeWindow.Spec => ({
  granularity,
  timezone,
  ...(format === undefined ? {} : { format })
})
const ms = (iso: string) => Date.parse(iso)
const iso = (instantMs: number) => new Date(instantMs).toISOString().replace(".000Z", "Z")
const keyAt = (given: TimeWindow.Spec, at: string) => TimeWindow.windowAt(given, ms(at)).key

/** Each window from the one that holds `from` to the one that holds `to`: `key = hours`. */
const hours = (given: TimeWindow.Spec, from: string, to: string) =>
  Result.getOrThrow(TimeWindow.windowsBetween(given, ms(from), ms(to), 1000)).map(
    ({ end, key, start }) => `${key} = ${(end - start) / hourMs}`
  )

const faults = (granularity: Granularity, format: string) =>
  TimeWindow.specProblems(spec(granularity, "UTC", format)).map(({ message, path }) => `${path}: ${message}`)

const fault = (given: TimeWindow.Spec, key: string) =>
  Result.match(TimeWindow.windowOf(given, key), { onFailure: (text) => text, onSuccess: () => "ok" })

const granularities: ReadonlyArray<Granularity> = ["minute", "hour", "day", "week", "month"]
const zones = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "America/Sao_Paulo",
  "America/St_Johns",
  "America/Juneau",
  "Asia/Beirut",
  "Asia/Kathmandu",
  "Asia/Kolkata",
  "Asia/Manila",
  "Africa/Casablanca",
  "Africa/Monrovia",
  "Antarctica/Troll",
  "Australia/Lord_Howe",
  "Pacific/Apia",
  "Pacific/Chatham",
  "Pacific/Kwajalein"
]

/** Changes of clocks, each in its zone. */
const changes = (
  [
    ["Europe/Berlin", "1893-03-31T23:06:32Z"],
    ["Europe/Berlin", "2026-03-29T01:00:00Z"],
    ["Europe/Berlin", "2026-10-25T01:00:00Z"],
    ["America/Sao_Paulo", "2018-02-18T02:00:00Z"],
    ["America/Sao_Paulo", "2018-11-04T03:00:00Z"],
    ["America/St_Johns", "2006-04-02T03:31:00Z"],
    ["America/St_Johns", "2006-10-29T02:31:00Z"],
    ["America/Juneau", "1867-10-19T00:31:13Z"],
    ["Asia/Beirut", "2026-03-28T22:00:00Z"],
    ["Asia/Beirut", "2026-10-24T21:00:00Z"],
    ["Asia/Kathmandu", "1985-12-31T18:30:00Z"],
    ["Asia/Manila", "1844-12-31T15:56:08Z"],
    ["Africa/Monrovia", "1972-01-07T00:44:30Z"],
    ["Australia/Lord_Howe", "2026-04-04T15:00:00Z"],
    ["Australia/Lord_Howe", "2026-10-03T15:30:00Z"],
    ["Pacific/Apia", "1892-07-05T11:26:56Z"],
    ["Pacific/Apia", "2011-12-30T10:00:00Z"],
    ["Pacific/Kwajalein", "1993-08-21T12:00:00Z"]
  ] as const
).map(([zone, at]) => ({ zone, at: ms(at) }))

const formats: { readonly [granularity in Granularity]: ReadonlyArray<string | undefined> } = {
  minute: [undefined, "yyyyMMdd-HH:mm", "d.M.yyyy H:m", "RRRR-II-i HH''mm", "yyyy-MM-dd'T'HH:mm:ss"],
  hour: [undefined, "yyyyMMddHH", "yyyy/MM/dd/HH", "EEEE d MMMM yyyy, H 'o''clock'", "yyyyDDD'+'HH"],
  day: [undefined, "dd.MM.yyyy", "yyyy-DDD", "RRRR-'W'II-i", "MMM d, yyyy (EEE)", "yyyy-MM-dd'T'HH:mm:ss"],
  week: [undefined, "yyyy-MM-dd", "I/RRRR", "'week' II 'of' RRRR"],
  month: [undefined, "MMMM yyyy", "yyyy'Q'Q-MM", "M|yyyy", "yyyy-DDD"]
}
/** Any zone at any instant from 1840 to 2060, or a zone near one of its changes. */
const anyPlace = fc.oneof(
  fc.record({ zone: fc.constantFrom(...zones), at: fc.integer({ min: ms("1840-01-01"), max: ms("2060-01-01") }) }),
  fc
    .tuple(fc.constantFrom(...changes), fc.integer({ min: -2 * hourMs, max: 2 * hourMs }), fc.constantFrom(1, 24))
    .map(([{ at, zone }, distance, times]) => ({ zone, at: at + distance * times }))
)
const anyCase = fc.constantFrom(...granularities).chain((granularity) =>
  fc.tuple(anyPlace, fc.constantFrom(...formats[granularity])).map(([{ at, zone }, format]) => ({
    at,
    given: spec(granularity, zone, format)
  }))
)

describe("TimeWindow", () => {
  it("names windows by the default format of their granularity (F64)", () => {
    const at = "2026-01-01T12:34:56Z"
    assert.deepStrictEqual(
      granularities.map((granularity) => keyAt(spec(granularity), at)),
      ["2026-01-01T12:34", "2026-01-01T12", "2026-01-01", "2026-W01", "2026-01"]
    )
    assert.strictEqual(keyAt(spec("day", "Pacific/Auckland"), at), "2026-01-02")
    assert.strictEqual(keyAt(spec("week"), "2027-01-03T23:59:59Z"), "2026-W53")
  })

  it("gives a day in Europe/Berlin 23 or 25 hours where clocks change, and every hour a key of its own (F64, T19)", () => {
    const days = spec("day", "Europe/Berlin")
    assert.deepStrictEqual(hours(days, "2026-03-28T12:00Z", "2026-03-30T12:00Z"), [
      "2026-03-28 = 24",
      "2026-03-29 = 23",
      "2026-03-30 = 24"
    ])
    assert.deepStrictEqual(hours(days, "2026-10-25T12:00Z", "2026-10-25T13:00Z"), ["2026-10-25 = 25"])
    for (const [date, count] of [
      ["2026-03-29", 23],
      ["2026-10-25", 25]
    ] as const) {
      const { end, start } = Result.getOrThrow(TimeWindow.windowOf(days, date))
      for (const format of [undefined, "dd.MM.yyyy H"]) {
        const inside = TimeWindow.windowsBetween(spec("hour", "Europe/Berlin", format), start, end, 100)
        assert.strictEqual(new Set(Result.getOrThrow(inside).map(({ key }) => key)).size, count)
      }
      const minutes = TimeWindow.windowsBetween(spec("minute", "Europe/Berlin"), start, end, 2000)
      assert.strictEqual(new Set(Result.getOrThrow(minutes).map(({ key }) => key)).size, count * 60)
    }
  })

  it("marks the second of two equal hours with its distance from UTC, also with a custom format (F64, T19)", () => {
    const [from, to] = ["2026-10-24T23:30Z", "2026-10-25T02:30Z"] as const
    assert.deepStrictEqual(hours(spec("hour", "Europe/Berlin"), from, to), [
      "2026-10-25T01 = 1",
      "2026-10-25T02 = 1",
      "2026-10-25T02+01:00 = 1",
      "2026-10-25T03 = 1"
    ])
    const custom = spec("hour", "Europe/Berlin", "yyyyMMddHH")
    assert.deepStrictEqual(hours(custom, from, to).slice(1, 3), ["2026102502 = 1", "2026102502+01:00 = 1"])
    const second = Result.getOrThrow(TimeWindow.windowOf(custom, "2026102502+01:00"))
    assert.strictEqual(iso(second.start), "2026-10-25T01:00:00Z")
    assert.strictEqual(keyAt(spec("minute", "Europe/Berlin"), "2026-10-25T01:30Z"), "2026-10-25T02:30+01:00")
  })

  it("knows no key for an hour that clocks skip, nor for a day that the calendar leaves out (F64, T19)", () => {
    assert.strictEqual(
      fault(spec("hour", "Europe/Berlin"), "2026-03-29T02"),
      'names no hour: clocks in Europe/Berlin skip "2026-03-29T02"'
    )
    assert.strictEqual(fault(spec("hour", "UTC"), "2026-03-29T02"), "ok")
    const samoa = spec("day", "Pacific/Apia")
    assert.include(fault(samoa, "2011-12-30"), "names no day")
    assert.deepStrictEqual(hours(samoa, "2011-12-30T09:00Z", "2011-12-30T11:00Z"), [
      "2011-12-29 = 24",
      "2011-12-31 = 24"
    ])
  })

  it("keeps odd offsets and changes at midnight (F64)", () => {
    const saoPaulo = spec("day", "America/Sao_Paulo")
    assert.deepStrictEqual(hours(saoPaulo, "2018-11-04T12:00Z", "2018-11-04T13:00Z"), ["2018-11-04 = 23"])
    assert.strictEqual(keyAt(saoPaulo, "2018-11-04T03:00Z"), "2018-11-04")
    assert.strictEqual(keyAt(saoPaulo, "2018-11-04T02:59:59Z"), "2018-11-03")
    assert.strictEqual(keyAt(spec("hour", "America/Sao_Paulo"), "2018-11-04T03:00Z"), "2018-11-04T01")
    assert.deepStrictEqual(hours(spec("day", "Asia/Beirut"), "2026-03-28T21:59Z", "2026-03-28T22:01Z"), [
      "2026-03-28 = 24",
      "2026-03-29 = 23"
    ])
    // Half an hour back at 02:00: the hour from 01:00 is shown again, for half an hour.
    assert.deepStrictEqual(hours(spec("hour", "Australia/Lord_Howe"), "2026-04-04T14:30Z", "2026-04-04T15:45Z"), [
      "2026-04-05T01 = 1",
      "2026-04-05T01+10:30 = 0.5",
      "2026-04-05T02 = 1"
    ])
    assert.strictEqual(keyAt(spec("hour", "Asia/Kathmandu"), "2026-01-01T00:14:59Z"), "2026-01-01T05")
    assert.strictEqual(keyAt(spec("hour", "Asia/Kathmandu"), "2026-01-01T00:15Z"), "2026-01-01T06")
    // One minute past midnight back to 23:01: the day that has begun goes on.
    assert.deepStrictEqual(hours(spec("day", "America/St_Johns"), "2006-10-29T02:29Z", "2006-10-29T02:32Z"), [
      "2006-10-28 = 24",
      "2006-10-29 = 25"
    ])
    assert.strictEqual(keyAt(spec("day", "America/St_Johns"), "2006-10-29T02:45Z"), "2006-10-29")
    assert.deepStrictEqual(
      Result.getOrThrow(
        TimeWindow.windowsBetween(spec("hour", "America/St_Johns"), ms("2006-10-29T02:00Z"), ms("2006-10-29T04:00Z"), 9)
      ).map(({ key, start }) => `${iso(start)} ${key}`),
      [
        "2006-10-29T01:30:00Z 2006-10-28T23",
        "2006-10-29T02:30:00Z 2006-10-29T00",
        "2006-10-29T02:31:00Z 2006-10-28T23-03:30",
        "2006-10-29T03:30:00Z 2006-10-29T00-03:30"
      ]
    )
    // The repeated day of Alaska, when it came to America's side of the date line.
    assert.deepStrictEqual(hours(spec("day", "America/Juneau"), "1867-10-19T00:00Z", "1867-10-19T01:00Z"), [
      "1867-10-19 = 48"
    ])
  })

  it("tiles time without gap or overlap, and never gives neighbours one key", () => {
    fc.assert(
      fc.property(anyCase, ({ at, given }) => {
        const window = TimeWindow.windowAt(given, at)
        assert(window.start <= at && at < window.end, `${iso(at)} is not in ${window.key}`)
        const [before, after] = [TimeWindow.previous(given, window), TimeWindow.next(given, window)]
        assert.deepStrictEqual([before.end, after.start], [window.start, window.end])
        assert.strictEqual(new Set([before.key, window.key, after.key]).size, 3)
        assert.deepStrictEqual(TimeWindow.windowAt({ ...given }, window.start), window)
        assert.deepStrictEqual(TimeWindow.windowAt({ ...given }, window.end - 1), window)
      }),
      { numRuns: 3000 }
    )
  })

  it("reads each key back as the window that has it", () => {
    fc.assert(
      fc.property(anyCase, ({ at, given }) => {
        const window = TimeWindow.windowAt(given, at)
        assert.deepStrictEqual(TimeWindow.windowOf(given, window.key), Result.succeed(window))
      }),
      { numRuns: 3000 }
    )
  })

  it("shows no key twice within three days around a change of clocks", () => {
    for (const { at, zone } of changes) {
      const found = TimeWindow.windowsBetween(spec("hour", zone), at - dayMs, at + 2 * dayMs, 200)
      const keys = Result.getOrThrow(found).map(({ key }) => key)
      assert.strictEqual(new Set(keys).size, keys.length, `${zone} ${iso(at)}`)
    }
  })

  it("takes no other way to write a key, and shows what a key looks like", () => {
    const days = spec("day")
    for (const bad of ["2026-2-3", "2026-02-30", "2026-02-03 ", "2026-02-03T00", "", "2026-02", "99999-01-01"]) {
      assert.strictEqual(
        fault(days, bad),
        `must name a day as in "2026-03-30" (yyyy-MM-dd), not ${JSON.stringify(bad)}`
      )
    }
    assert.include(fault(spec("week"), "2024-W53"), 'as in "2026-W14"')
    assert.include(fault(days, "0000-01-01"), "must name a day")
    assert.strictEqual(
      fault(spec("week", "UTC", "yyyy-MM-dd"), "2026-03-25"),
      'must be written "2026-03-23", not "2026-03-25"'
    )
    assert.strictEqual(
      fault(spec("hour", "Europe/Berlin"), "2026-10-25T02+02:00"),
      'must be written "2026-10-25T02" or "2026-10-25T02+01:00", not "2026-10-25T02+02:00"'
    )
  })

  it("refuses a format that has unknown letters or an open quote", () => {
    assert.include(faults("day", "YYYY-MM-DD")[0], 'unknown token "YYYY": use "yyyy"')
    assert.include(faults("day", "yy-MM-dd")[0], "two digits do not tell the century")
    assert.include(faults("hour", "yyyy-MM-dd hh")[0], "twelve hours")
    assert.include(faults("hour", "yyyy-MM-ddTHH")[0], "other text goes in quotes, as in 'T'")
    assert.include(faults("day", "yyyy-MM-dd 'of")[0], "a quote that is not closed")
    assert.deepStrictEqual(faults("hour", "yyyy-MM-dd'T'HH ''"), [])
  })

  it("refuses a format that cannot tell two windows apart", () => {
    assert.deepStrictEqual(faults("day", "yyyy-MM"), [
      "format: cannot tell one day from another: it needs yyyy, MM and dd"
    ])
    assert.include(faults("week", "yyyy-'W'II")[0], "it needs RRRR and II")
    assert.include(faults("month", "RRRR-II")[0], "it needs yyyy and MM")
    assert.include(faults("hour", "yyyy-MM-dd")[0], "one hour from another")
    assert.include(faults("minute", "yyyy-MM-dd HH")[0], "one minute from another")
    for (const granularity of granularities) {
      for (const format of formats[granularity])
        assert.deepStrictEqual(faults(granularity, format ?? "yyyyMMddHHmm"), [])
    }
  })

  it("refuses a format whose keys cannot be read back or are no partition keys", () => {
    assert.include(faults("day", "yyyyMd")[0], "the month has one or two digits and more digits follow")
    assert.include(faults("hour", "yyyyMMddH'00'")[0], "the hour has one or two digits")
    assert.include(faults("day", "yyyyMMdd\n")[0], "control characters")
    assert.include(faults("day", "yyyyMMdd'\ud800'")[0], "well-formed")
    assert.include(faults("day", `yyyyMMdd${"MMMM ".repeat(20)}`)[0], "at most 200")
    // The mark of a repeated hour needs nine characters more; a day has none.
    const long = (length: number) => `yyyyMMddHH'${"-".repeat(length - 10)}'`
    assert.deepStrictEqual(faults("hour", long(191)), [])
    assert.include(faults("hour", long(192))[0], "makes keys of up to 201 characters")
    assert.deepStrictEqual(faults("day", long(200)), [])
    assert.deepStrictEqual(
      TimeWindow.specProblems(spec("day", "Europe/Nowhere")).map(({ path }) => path),
      ["timezone"]
    )
    assert.throws(() => TimeWindow.windowAt(spec("day", "UTC", "yyyy"), 0), /format: cannot tell one day/)
  })

  it("counts the window that holds the instant as the newest", () => {
    const days = spec("day", "Europe/Berlin")
    const back = TimeWindow.windowsBack(days, ms("2026-03-30T12:00Z"), 3)
    assert.deepStrictEqual(
      back.map(({ key }) => key),
      ["2026-03-30", "2026-03-29", "2026-03-28"]
    )
    assert.deepStrictEqual(TimeWindow.windowsBack(days, 0, 0), [])
  })

  it("finds the oldest of the newest windows, and the last of the next ones, as counting them does", () => {
    const count = fc.integer({ min: 1, max: 40 })
    fc.assert(
      fc.property(anyCase, count, fc.array(fc.integer({ min: 0, max: 3 })), ({ at, given }, wanted, steps) => {
        let now = at
        for (const step of [0, ...steps]) {
          for (let forth = 0; forth < step; forth++) now = TimeWindow.windowAt({ ...given }, now).end
          const back = TimeWindow.windowsBack({ ...given }, now, wanted)
          const oldest = back[back.length - 1]!
          assert.strictEqual(TimeWindow.startBack(given, now, wanted), oldest.start)
          assert.strictEqual(TimeWindow.endForth(given, oldest.start, wanted, now), back[0]!.end)
        }
      }),
      { numRuns: 300 }
    )
  })

  it("lists the windows of a range, and refuses more than were asked for", () => {
    const days = spec("day")
    const range = (max: number) => TimeWindow.windowsBetween(days, ms("2026-01-01T23:00Z"), ms("2026-01-04"), max)
    assert.deepStrictEqual(
      Result.getOrThrow(range(3)).map(({ key }) => key),
      ["2026-01-01", "2026-01-02", "2026-01-03"]
    )
    assert.deepStrictEqual(range(2), Result.fail("must span at most 2 windows: 2026-01-03 is beyond"))
  })

  it("lists decades of windows with few questions about the zone, and refuses centuries without any", () => {
    const { formatToParts } = Intl.DateTimeFormat.prototype
    let questions = 0
    Intl.DateTimeFormat.prototype.formatToParts = function (date) {
      questions++
      return formatToParts.call(this, date)
    }
    try {
      const days = spec("day", "Pacific/Chatham")
      const range = (from: string) => TimeWindow.windowsBetween(days, ms(from), ms("2026-01-01"), 100_000)
      const refused = Result.match(range("0226-01-01"), { onFailure: (text) => text, onSuccess: () => "" })
      assert.match(refused, /^must span at most 100000 windows: there are more than 64\d{4}$/)
      assert.strictEqual(questions, 0)
      const listed = Result.getOrThrow(range("1986-01-01"))
      assert.isAbove(questions, 0)
      assert.isBelow(questions, listed.length / 2)
    } finally {
      Intl.DateTimeFormat.prototype.formatToParts = formatToParts
    }
  })

  it("refuses no range by its length alone that has no more windows than were asked for", () => {
    for (const granularity of ["minute", "hour", "day", "week", "month"] as const) {
      for (const zone of ["Africa/Casablanca", "Pacific/Apia", "Australia/Lord_Howe", "America/St_Johns"]) {
        const given = spec(granularity, zone)
        const [from, to] = granularity === "minute" ? ["2011-12-01", "2012-01-08"] : ["2005-01-01", "2015-01-01"]
        const count = Result.getOrThrow(TimeWindow.windowsBetween(given, ms(from), ms(to), 100_000)).length
        assert.isTrue(Result.isSuccess(TimeWindow.windowsBetween(given, ms(from), ms(to), count)), zone)
      }
    }
  })

  it("cuts a window at the ends of the years 1 to 9998, so that where it starts there is a window (F64)", () => {
    for (const timezone of ["Europe/Berlin", "Asia/Tokyo", "America/New_York", "UTC"]) {
      for (const [granularity, ...keys] of [
        ["day", "0001-01-01", "9998-12-31"],
        ["month", "0001-01", "9998-12"]
      ] as const) {
        const windows = { granularity, timezone }
        for (const key of keys) {
          const window = Result.getOrThrow(TimeWindow.windowOf(windows, key))
          assert.deepStrictEqual(TimeWindow.windowAt(windows, window.start), window)
          assert.deepStrictEqual(TimeWindow.windowAt(windows, window.end - 1), window)
        }
      }
    }
    assert.isTrue(Result.isFailure(TimeWindow.windowOf({ granularity: "day", timezone: "UTC" }, "0000-12-31")))
  })

  it("refuses instants outside the years 1 to 9998 instead of naming them wrongly", () => {
    for (const bad of [Number.NaN, TimeWindow.instantMsMin - 1, TimeWindow.instantMsMax + 1]) {
      assert.throws(() => TimeWindow.windowAt(spec("day"), bad), /no instant in ms of the years/)
    }
    assert.strictEqual(TimeWindow.windowAt(spec("day"), TimeWindow.instantMsMin).key, "0001-01-01")
    assert.strictEqual(TimeWindow.windowAt(spec("month"), TimeWindow.instantMsMax).key, "9998-12")
    assert.strictEqual(fault(spec("day", "Asia/Tokyo"), "0001-01-01"), "ok")
    assert.strictEqual(fault(spec("month", "America/New_York"), "9998-12"), "ok")
  })
})
