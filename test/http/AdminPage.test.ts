import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import type { Browser, BrowserContextOptions } from "playwright-core"
import { LogUnavailable } from "../../src/eventstore/EventStore.ts"
import { AttentionReads } from "../../src/http/AttentionReads.ts"
import { Listening } from "../../src/http/Server.ts"
import type { AttentionItem } from "../../src/projections/AttentionQuery.ts"
import { absent, browser, sayIfAbsent } from "../support/chromium.ts"
import * as Fakes from "./Fakes.ts"
import { send, server, token } from "./Harness.ts"

const canary = `"><img src=x onerror="window.hit=1"><script>window.hit=1</script>'&lt;`

const item = (id: string, more: Partial<AttentionItem> = {}): AttentionItem => ({
  id,
  kind: "run",
  severity: "error",
  reasonCode: "bad_input",
  message: "no such column: total_amount",
  since: "2026-01-01T03:12:00.000Z",
  count: 1,
  workflow: "orders",
  assetId: null,
  partitionKey: null,
  runId: id.slice(4),
  recoveryId: null,
  stepId: "load",
  rootCause: null,
  muted: null,
  action: {
    text: "Mend what the failure names, then recover the run: it goes on from its last checkpoint, finished steps kept.",
    command: `kintsugi recover run ${id.slice(4)}`,
    request: { method: "POST", path: `/api/v1/runs/${id.slice(4)}/recover` }
  },
  ...more
})

const items: ReadonlyArray<AttentionItem> = [
  item("store:lake", {
    ...{ kind: "store", severity: "critical", reasonCode: "store_wiped", runId: null, workflow: null, stepId: null },
    message: 'store lake answers without its marker (wiped, or not mounted), and its onWiped is "wait"',
    action: {
      text: "Mount or restore the store: it answers without its marker.",
      command: "kintsugi doctor",
      request: { method: "GET", path: "/api/v1/admin/stores" }
    }
  }),
  item("run:0k2j4h5", { count: 2 }),
  item("recovery:abc", {
    ...{ kind: "recovery", assetId: "orders.raw", partitionKey: "2024-01", reasonCode: "source_asset", runId: null },
    ...{ workflow: null, stepId: null, recoveryId: "abc", message: "orders.raw[2024-01] cannot be made again" },
    action: {
      text: "The asset comes from outside: have its source deliver it again and announce it. Then retry the recovery.",
      command: "kintsugi recover recovery abc",
      request: { method: "POST", path: "/api/v1/recoveries/abc/retry" }
    },
    rootCause: { assetId: "supplier.csv", partitionKey: "2024-01", why: "it comes from outside, and nobody makes it" }
  }),
  item("run:canary", { workflow: canary, message: canary, stepId: canary, reasonCode: canary, severity: "warning" })
]
const muted = item("run:muted", { muted: { until: "2999-01-01T00:00:00.000Z", reason: canary, by: canary } })

const state = Fakes.makeState()
const untouched = { errorPosition: null, rebuild: null, lastRebuild: null, skipped: [] }
state.projections.push(
  {
    ...untouched,
    name: "run_list_v1",
    position: null,
    lagEvents: 0,
    heartbeatAgeMs: 12,
    error: null,
    rebuilding: false
  },
  {
    ...untouched,
    name: "asset_list_v2",
    position: null,
    lagEvents: 412,
    heartbeatAgeMs: 9_000,
    error: canary,
    rebuilding: false
  }
)
const reading = { fails: false }
const attention = Layer.succeed(AttentionReads, {
  list: (filter) =>
    reading.fails
      ? Effect.fail(new LogUnavailable({ message: "the database is away", cause: null }))
      : Effect.succeed({
          data: filter.muted === "true" ? [muted] : items.filter(({ severity }) => severity === filter.severity),
          nextCursor: null
        }),
  read: () => Effect.succeed(null)
})
const page = server(state, Layer.merge(Fakes.layer(state), attention))

const form = (path: string, body: string, headers: Record<string, string> = {}) =>
  send("POST", path, {
    token: null,
    body,
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers }
  })
const view = (cookie: string | null) =>
  send("GET", "/admin", { token: null, headers: cookie === null ? {} : { cookie } })
const signedIn = Effect.map(
  form("/admin/login", `token=${token}`),
  ({ headers }) => headers.get("set-cookie")!.split(";")[0]!
)

layer(page, { excludeTestServices: true })("/admin", (it) => {
  it.effect("F84: shows nothing but a form to who is not signed in, and lets nobody in without a valid token", () =>
    Effect.gen(function* () {
      for (const cookie of [null, "kintsugi_admin=guess", `kintsugi_admin=${token}`]) {
        const { text } = yield* view(cookie)
        assert.include(text, 'name="token"')
        assert.notInclude(text, "lake")
      }
      assert.strictEqual((yield* form("/admin/login", "token=wrong")).status, 401)
      assert.strictEqual((yield* form("/admin/login", "")).status, 401)
      assert.isNull((yield* form("/admin/login", "token=wrong")).headers.get("set-cookie"))
      const foreign = yield* form("/admin/login", `token=${token}`, { "sec-fetch-site": "cross-site" })
      assert.strictEqual(foreign.status, 403)
      assert.isNull(foreign.headers.get("set-cookie"))
    })
  )

  it.effect("F84: no form of another site signs anybody in, also where the browser says only its Origin", () =>
    Effect.gen(function* () {
      const { port, url } = yield* Listening
      const login = (headers: Record<string, string>) =>
        Effect.map(form("/admin/login", `token=${token}`, headers), ({ status }) => status)
      for (const origin of ["https://evil.example", `http://127.0.0.1:${port + 1}`, `${url}.evil.example`, "null"]) {
        assert.strictEqual(yield* login({ origin }), 403, origin)
        assert.strictEqual(yield* login({ origin, "sec-fetch-site": "none" }), 403, origin)
      }
      // With TLS at a proxy the scheme is another one than here.
      for (const origin of [url, url.replace("http:", "https:")]) assert.strictEqual(yield* login({ origin }), 303)
      // Behind a proxy that puts its own Host, the browser's word is what there is.
      assert.strictEqual(yield* login({ origin: "https://kintsugi.example", "sec-fetch-site": "same-origin" }), 303)
      const { headers } = yield* view(null)
      assert.strictEqual(headers.get("referrer-policy"), "same-origin", "or the own form would come from null")
    })
  )

  it.effect("the session is an opaque id in a cookie that scripts and other sites do not get, Secure under TLS", () =>
    Effect.gen(function* () {
      const answer = yield* form("/admin/login", `token=${token}`)
      assert.strictEqual(answer.status, 303)
      assert.strictEqual(answer.headers.get("location"), "/admin")
      const cookie = answer.headers.get("set-cookie")!
      assert.match(cookie, /^kintsugi_admin=[A-Za-z0-9_-]{43}; Path=\/admin; HttpOnly; SameSite=Strict$/)
      const secure = yield* form("/admin/login", `token=${token}`, { "x-forwarded-proto": "https" })
      assert.match(secure.headers.get("set-cookie")!, /; Secure$/)
      // The cookie is for this page only: the API takes tokens.
      const api = yield* send("GET", "/api/v1/runs", { token: null, headers: { cookie: cookie.split(";")[0]! } })
      assert.strictEqual(api.status, 401)
    })
  )

  it.effect("who signs out is out, whatever the browser still sends", () =>
    Effect.gen(function* () {
      const cookie = yield* signedIn
      assert.include((yield* view(cookie)).text, "store lake")
      const foreign = yield* form("/admin/logout", "", { cookie, "sec-fetch-site": "cross-site" })
      assert.isNull(foreign.headers.get("set-cookie"), "nor takes the cookie out of the browser")
      assert.include((yield* view(cookie)).text, "store lake", "another site signs nobody out")
      const out = yield* form("/admin/logout", "", { cookie })
      assert.match(out.headers.get("set-cookie")!, /^kintsugi_admin=;.*Max-Age=0$/)
      assert.notInclude((yield* view(cookie)).text, "store lake")
    })
  )

  it.effect("every answer forbids scripts, frames and other sources, and is kept nowhere", () =>
    Effect.gen(function* () {
      const { headers, text } = yield* view(yield* signedIn)
      const policy = headers.get("content-security-policy")!
      for (const part of ["default-src 'none'", "style-src 'sha256-", "form-action 'self'", "frame-ancestors 'none'"]) {
        assert.include(policy, part)
      }
      assert.notInclude(policy, "unsafe")
      assert.strictEqual(headers.get("cache-control"), "no-store")
      assert.strictEqual(headers.get("x-content-type-options"), "nosniff")
      assert.notInclude(text, "<script")
      assert.notInclude(text, "<img")
      assert.notMatch(text, / on[a-z]+=(?!&)/)
      // An answer of the API keeps the policy that allows nothing.
      const api = yield* send("GET", "/api/v1/runs")
      assert.strictEqual(api.headers.get("content-security-policy"), "default-src 'none'; frame-ancestors 'none'")
    })
  )

  it.effect("what cannot be read is said, and the rest is shown", () =>
    Effect.gen(function* () {
      const { text } = yield* view(yield* signedIn)
      for (const part of ["kintsugi recover run 0k2j4h5", "2 times", "supplier.csv[2024-01]", "inbox (folder)"]) {
        assert.include(text, part)
      }
      reading.fails = true
      const { status, text: rest } = yield* Effect.ensuring(
        view(yield* signedIn),
        Effect.sync(() => {
          reading.fails = false
        })
      )
      assert.strictEqual(status, 200)
      assert.include(rest, "This cannot be read now")
      assert.notInclude(rest, "Nothing needs you")
      assert.include(rest, "inbox (folder)")
    })
  )
})

layer(server(state, Layer.merge(Fakes.layer(state), attention)), { excludeTestServices: true })(
  "signing in to /admin",
  (it) => {
    it.effect("too many wrong tokens of one address are not looked at for a minute, a right one neither", () =>
      Effect.gen(function* () {
        for (let time = 0; time < 5; time++) {
          assert.strictEqual((yield* form("/admin/login", `token=wrong${time}`)).status, 401)
        }
        const { headers, status } = yield* form("/admin/login", `token=${token}`)
        assert.strictEqual(status, 429)
        assert.strictEqual(headers.get("retry-after"), "60")
      })
    )
  }
)

sayIfAbsent()
if (!absent) {
  layer(page, { timeout: 60_000, excludeTestServices: true })("/admin in Chromium", (it) => {
    const open = Effect.fnUntraced(function* (chromium: Browser, options: BrowserContextOptions = {}) {
      const { url } = yield* Listening
      return yield* Effect.promise(async () => {
        const context = await chromium.newContext(options)
        const tab = await context.newPage()
        const told: Array<string> = []
        tab.on("console", (message) => {
          // Advice about forms, which is no fault of the page's.
          if (!message.text().startsWith("[DOM]")) told.push(message.text())
        })
        tab.on("pageerror", (error) => told.push(error.message))
        await tab.goto(`${url}/admin`)
        await tab.getByLabel("Token").fill(token)
        await tab.getByRole("button", { name: "Sign in" }).click()
        await tab.getByText("store lake", { exact: true }).waitFor()
        return { context, tab, told }
      })
    })

    it.effect("an operator signs in, sees the worst first, selects a command with a click, and signs out", () =>
      Effect.gen(function* () {
        const { context, tab, told } = yield* open(yield* browser)
        yield* Effect.promise(async () => {
          const badges = await tab.locator("main > article .badge").allTextContents()
          assert.deepStrictEqual(badges, ["critical", "error", "error", "warning"])
          await tab.getByText("kintsugi recover run 0k2j4h5", { exact: true }).click()
          assert.strictEqual(
            await tab.evaluate("String(getSelection())"),
            "kintsugi recover run 0k2j4h5",
            "one click selects the whole command"
          )
          const [cookie] = await context.cookies()
          assert.deepInclude(cookie, { httpOnly: true, sameSite: "Strict", path: "/admin" })
          assert.strictEqual(await tab.evaluate("document.cookie"), "")
          assert.deepStrictEqual(told, [], "no violation of the page's own policy")
          const shots = process.env.KINTSUGI_TEST_SHOTS
          if (shots !== undefined) await tab.screenshot({ path: `${shots}/light.png`, fullPage: true })
          await tab.getByRole("button", { name: "Sign out" }).click()
          await tab.getByLabel("Token").waitFor()
          if (shots !== undefined) await tab.screenshot({ path: `${shots}/login.png`, fullPage: true })
        })
      }).pipe(Effect.scoped)
    )

    it.effect("names, reasons and messages are text, whatever they hold", () =>
      Effect.gen(function* () {
        const { tab } = yield* open(yield* browser)
        yield* Effect.promise(async () => {
          await tab.locator("details").first().click()
          assert.strictEqual(await tab.evaluate("window.hit"), undefined)
          assert.strictEqual(await tab.locator("img, script").count(), 0)
          assert.isAbove(await tab.getByText(canary).count(), 2, "and they are shown as they are")
        })
      }).pipe(Effect.scoped)
    )

    it.effect("is readable on a phone and in the dark: nothing is wider than the screen", () =>
      Effect.gen(function* () {
        const chromium = yield* browser
        for (const colorScheme of ["light", "dark"] as const) {
          const { tab } = yield* open(chromium, { viewport: { width: 360, height: 740 }, colorScheme })
          yield* Effect.promise(async () => {
            const width = await tab.evaluate("document.documentElement.scrollWidth")
            assert.isAtMost(width as number, 360)
            const shots = process.env.KINTSUGI_TEST_SHOTS
            if (shots !== undefined) await tab.screenshot({ path: `${shots}/phone-${colorScheme}.png`, fullPage: true })
          })
        }
        const { tab } = yield* open(chromium, { colorScheme: "dark" })
        yield* Effect.promise(async () => {
          const shots = process.env.KINTSUGI_TEST_SHOTS
          if (shots !== undefined) await tab.screenshot({ path: `${shots}/dark.png`, fullPage: true })
          assert.strictEqual(await tab.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(22, 21, 19)")
        })
      }).pipe(Effect.scoped)
    )
  })
}
