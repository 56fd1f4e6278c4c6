import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenApi } from "effect/http-api"
import { Api } from "../../src/http/api/Api.ts"
import * as Server from "../../src/http/Server.ts"
import * as Chromium from "../support/chromium.ts"
import * as Fakes from "./Fakes.ts"
import { send, server } from "./Harness.ts"

const shot = process.env.KINTSUGI_TEST_SHOT
const document = OpenApi.fromApi(Api)
const routes = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.keys(item as object).map((method) => ({ method: method.toUpperCase(), path }))
)

Chromium.sayIfAbsent()

describe("GET /docs", () => {
  it.live("F84: is open, complete in itself, and runs no script", () =>
    Effect.gen(function* () {
      const { headers, status, text } = yield* send("GET", "/docs", { token: null })
      assert.deepStrictEqual([status, headers.get("content-type")], [200, "text/html; charset=utf-8"])
      const policy = headers.get("content-security-policy") ?? ""
      assert.match(policy, /^default-src 'none'; style-src 'sha256-[^']+'; frame-ancestors 'none'/)
      assert.notInclude(policy, "unsafe")
      assert.notMatch(text, /<script|<img|<link|\bon\w+=|src=|https?:\/\//i)
      for (const { method, path } of routes) {
        assert.include(text, `<span class="method ${method}">${method}</span><code>${path}</code>`)
      }
      for (const [, name] of text.matchAll(/href="#([^"]+)"/g)) assert.include(text, `id="${name}"`)
    }).pipe(Effect.provide(server(Fakes.makeState())), Effect.scoped)
  )

  it.live.runIf(!Chromium.absent)("shows every route with its role in a browser that loads nothing else", () =>
    Effect.gen(function* () {
      const { url } = yield* Server.Listening
      const browser = yield* Chromium.browser
      const asked: Array<string> = []
      const wrong: Array<string> = []
      yield* Effect.promise(async () => {
        const page = await browser.newPage({ viewport: { width: 1100, height: 1400 } })
        page.on("request", (request) => asked.push(new URL(request.url()).pathname))
        page.on("console", (message) => wrong.push(message.text()))
        page.on("pageerror", (error) => wrong.push(error.message))
        await page.goto(`${url}/docs`)
        assert.strictEqual(await page.title(), "Kintsugi API")
        assert.strictEqual(await page.locator("section details").count(), routes.length)
        const cancel = page.locator("details", { hasText: "/api/v1/runs/{id}/cancel" }).first()
        await cancel.locator("summary").click()
        assert.strictEqual(await cancel.locator(".role").textContent(), "operator")
        const told = (await cancel.innerText()).replace(/\s+/g, " ")
        for (const part of [
          "Parameters",
          "idempotency-key",
          "reason?: string",
          "Answer 202",
          "409",
          "current status"
        ]) {
          assert.include(told, part)
        }
        // The style is applied, so the policy lets it.
        assert.notStrictEqual(await cancel.evaluate("element => getComputedStyle(element).borderTopStyle"), "none")
        if (shot !== undefined) await page.screenshot({ path: shot })
      })
      // A browser asks for an icon by itself.
      assert.deepStrictEqual(
        asked.filter((path) => path !== "/favicon.ico"),
        ["/docs"]
      )
      assert.deepStrictEqual(
        wrong.filter((text) => !text.includes("favicon")),
        []
      )
    }).pipe(Effect.provide(server(Fakes.makeState())), Effect.scoped)
  )
})
