import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Server from "../../src/http/Server.ts"
import { send, token as admin } from "../http/Harness.ts"
import { served } from "../http/realEngine.ts"
import { kintsugi } from "./kintsugi.ts"

/** `kintsugi token …` against a server of its own, as the admin or with another token. */
const world = <A, E>(
  body: (run: (args: ReadonlyArray<string>, token?: string) => ReturnType<typeof running>) => Effect.Effect<A, E, never>
) =>
  served(
    {},
    Effect.gen(function* () {
      const { url } = yield* Server.Listening
      return yield* body((args, token = admin) => running(url, token, args))
    })
  )

const running = (url: string, token: string, args: ReadonlyArray<string>) =>
  Effect.promise(() => kintsugi(["token", ...args], { env: { KINTSUGI_URL: url, KINTSUGI_ADMIN_TOKEN: token } }))

describe("kintsugi token", () => {
  it.live("F84: issues, lists, rotates and revokes, for people and for programs", () =>
    world((run) =>
      Effect.gen(function* () {
        const made = yield* run(["create", "night watch", "--role", "viewer", "--expires", "2999-01-01"])
        assert.strictEqual(made.code, 0, made.stderr)
        assert.match(made.stdout, /^ktg_[\w-]{43}\n$/, "stdout is the secret alone")
        const [, id = ""] =
          /^token (\w+) \(night watch\) has the role viewer; it expires at 2999/.exec(made.stderr) ?? []
        const secret = made.stdout.trim()

        const listed = yield* run(["list"])
        assert.match(listed.stdout, /^id +role +status +token +expires +last used +name\n/)
        assert.include(listed.stdout, `${id}  viewer  active  ${secret.slice(0, 12)}…`)
        assert.notInclude(listed.stdout, secret)
        const [entry] = JSON.parse((yield* run(["list", "--json"])).stdout)
        assert.deepInclude(entry, { id, name: "night watch", status: "active" })
        assert.match((yield* run(["show", id])).stdout, /createdBy +admin/)

        const rotated = JSON.parse((yield* run(["rotate", id, "--overlap-ms", "60000", "--json"])).stdout)
        assert.notStrictEqual(rotated.token, secret)
        assert.isString(rotated.previousUntil)
        const refused = yield* run(["list"], rotated.token)
        assert.strictEqual(refused.code, 2)
        assert.include(refused.stderr, "needs the role admin")

        const revoked = yield* run(["revoke", id, "--reason", "over"])
        assert.strictEqual(revoked.stdout, `token ${id} (night watch) is revoked\n`)
        const over = yield* run(["rotate", id])
        assert.strictEqual(over.code, 2)
        assert.include(over.stderr, "rotate is not possible: the status is revoked")
      })
    )
  )

  it.live("F84: says what is wrong with what it was given", () =>
    world((run) =>
      Effect.gen(function* () {
        const cases: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
          [["create", "x", "--role", "root"], "viewer"],
          [["create", "x", "--role", "viewer", "--expires", "tomorrow"], "expiresAt must be an ISO 8601 date"],
          [["show", "nobody"], 'There is no token "nobody"']
        ]
        for (const [args, told] of cases) {
          const { code, stderr } = yield* run(args)
          assert.strictEqual(code, 2, stderr)
          assert.include(stderr, told)
        }
        const stranger = yield* run(["list"], "wrong-token-of-enough-length")
        assert.include(stranger.stderr, "the server does not accept this token")
      })
    )
  )

  it.live("F84: a token that was issued opens what its role may see", () =>
    served(
      {},
      Effect.gen(function* () {
        const { url } = yield* Server.Listening
        const made = yield* running(url, admin, ["create", "x", "--role", "viewer", "--json"])
        const { id, token } = JSON.parse(made.stdout)
        assert.strictEqual((yield* send("GET", "/api/v1/workflows", { token })).status, 200)
        const put = yield* send("PUT", "/api/v1/workflows/x", { token, body: "{}" })
        assert.deepInclude(put.json, { code: "forbidden", requiredRole: "admin", role: "viewer" })
        assert.include(String(put.json.detail), `token:${id} is viewer`)
      })
    )
  )
})
