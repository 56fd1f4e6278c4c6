import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs"
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from "node:http"
import { createServer as createHttps } from "node:https"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import * as Embedded from "../../src/postgres/Embedded.ts"
import { freePort } from "../support/fauxqs.ts"
import { options, temporaryFolder } from "../support/postgres.ts"

const root = join(import.meta.dirname, "../..")
const read = (file: string) => readFileSync(join(root, "deploy", file), "utf8")

/** The YAML that the composition keeps to: two spaces a level, `key: value`, `- item`; no key twice in a mapping. */
const keys = (text: string): ReadonlyArray<string> => {
  const path: Array<string> = []
  const seen = new Set<string>()
  for (const line of text.split("\n")) {
    if (/^\s*(#.*)?$/.test(line)) continue
    assert.notInclude(line, "\t")
    const [, indent = "", rest = ""] = /^( *)(.*)$/.exec(line)!
    assert.strictEqual(indent.length % 2, 0, line)
    if (rest.startsWith("- ")) continue
    const [, key, value = ""] = /^([A-Za-z0-9_]+):(?: (.+))?$/.exec(rest) ?? assert.fail(`no mapping: ${line}`)
    // What holds a colon, a brace or a hash is quoted, or a list in one line.
    assert.match(value, /^$|^"[^"]*"$|^\[.*\]$|^[\w./-]+$/, line)
    path.length = indent.length / 2
    path.push(key!)
    const whole = path.join(".")
    assert.isFalse(seen.has(whole), `${whole} stands twice`)
    seen.add(whole)
  }
  return [...seen]
}

describe("deploy/compose.yaml", () => {
  it("starts Kintsugi when what it needs is healthy, with volumes that exist and secrets from outside", () => {
    const text = read("compose.yaml")
    const all = keys(text)
    const below = (path: string) =>
      all.filter((key) => key.startsWith(`${path}.`) && key.split(".").length === path.split(".").length + 1)
    const services = below("services").map((key) => key.split(".")[1]!)
    assert.deepStrictEqual(services, ["kintsugi", "postgres", "redis", "s3"])
    for (const needed of below("services.kintsugi.depends_on")) {
      assert.include(all, `services.${needed.split(".").at(-1)}.healthcheck`)
    }
    assert.lengthOf(below("services.kintsugi.depends_on"), 3)
    const named = [...text.matchAll(/- "([a-z0-9]+):\//g)].map(([, name]) => name!)
    assert.deepStrictEqual(
      named.sort(),
      below("volumes")
        .map((key) => key.split(".")[1]!)
        .sort()
    )
    for (const [, image] of text.matchAll(/image: "([^"]+)"/g)) assert.match(image!, /^[\w./-]+:(?!latest)[\w.-]+$/)
    const asked = new Set([...text.matchAll(/\$\{([A-Z0-9_]+):\?/g)].map(([, name]) => name!))
    const offered = [...read("env.example").matchAll(/^([A-Z0-9_]+)=$/gm)].map(([, name]) => name!)
    assert.deepStrictEqual([...asked].sort(), offered.sort())
    // A secret is never written down here.
    for (const [line] of text.matchAll(/^.*(?:PASSWORD|TOKEN|SECRET).*: .*$/gm)) assert.include(line, "${")
  })
})

describe("deploy/Dockerfile", () => {
  const text = read("Dockerfile")
  const copied = [...text.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources]) => sources!.split(" "))

  it("copies what is there and not ignored, and hands signals on as a user that is not root", () => {
    for (const source of copied) {
      assert.isTrue(existsSync(join(root, source)), source)
      assert.include(read("Dockerfile.dockerignore"), `!${source}\n`)
    }
    assert.match(text, /^USER node$/m)
    assert.match(text, /^ENTRYPOINT \["\/app\/bin\/kintsugi"\]$/m)
    assert.match(text, /^ {2}CMD \["node", .*\/livez/m)
    assert.match(text, /npm ci --omit=dev/)
    assert.notMatch(text, /^(?:CMD|ENTRYPOINT) [^[]/m)
  })

  it.live("its health check asks over TLS where that is configured, and fails where nothing lives", () =>
    Effect.promise(async () => {
      const [, program = "", ...args] = JSON.parse(`["",${/^ {2}CMD \[(.+)\]$/m.exec(text)![1]!}]`) as Array<string>
      const health = async (port: number, env: Record<string, string> = {}) => {
        const own = { PATH: process.env.PATH, KINTSUGI_PORT: String(port), ...env }
        const [code] = (await once(spawn(program, args, { env: own, stdio: "ignore" }), "exit")) as [number | null]
        return code
      }
      const file = (name: string) => readFileSync(join(root, "test/http/tls", name))
      const answer = (status: number) => (_: IncomingMessage, response: ServerResponse) =>
        void response.writeHead(status).end()
      const servers = [
        createHttp(answer(200)),
        createHttps({ cert: file("cert.pem"), key: file("key.pem") }, answer(200)),
        createHttp(answer(503))
      ] as const
      const ports = await Promise.all(
        servers.map(async (server) => {
          await once(server.listen(0, "127.0.0.1"), "listening")
          return (server.address() as AddressInfo).port
        })
      )
      const [plain = 0, tls = 0, failing = 0] = ports
      try {
        const withTls = { KINTSUGI_TLS_CERT: "/cert.pem" }
        assert.deepStrictEqual([await health(plain), await health(tls, withTls)], [0, 0])
        assert.deepStrictEqual([await health(failing), await health(plain, withTls), await health(1)], [1, 1, 1])
      } finally {
        for (const server of servers) server.close()
      }
    })
  )

  it.live("starts from exactly those files, without root, and ends well on SIGTERM", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      chmodSync(folder, 0o755)
      const port = yield* freePort
      const database = options(join(folder, "pg"))
      mkdirSync(database.dataDir)
      const settings = { ...database.settings, listen_addresses: "127.0.0.1", port: String(port) }
      yield* Embedded.start({ ...database, settings })

      const app = join(folder, "app")
      mkdirSync(app)
      for (const source of new Set(copied)) cpSync(join(root, source), join(app, source), { recursive: true })
      symlinkSync(join(root, "node_modules"), join(app, "node_modules"))
      const data = join(folder, "data")
      mkdirSync(data)
      chmodSync(data, 0o777)
      const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
      const child = spawn(join(app, "bin/kintsugi"), ["serve"], {
        ...user,
        cwd: "/",
        env: {
          ...{ PATH: process.env.PATH, KINTSUGI_HOST: "127.0.0.1", KINTSUGI_PORT: "0", KINTSUGI_DATA_DIR: data },
          DATABASE_URL: `postgres://${Embedded.username}@127.0.0.1:${port}/${Embedded.database}`
        },
        stdio: ["ignore", "pipe", "pipe"]
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => child.kill("SIGKILL")))
      let told = ""
      const url = yield* Effect.promise(
        () =>
          new Promise<string>((resolve, reject) => {
            const look = (chunk: Buffer) => {
              told += chunk.toString()
              const found = /listening on (http:\S+)/.exec(told)
              if (found !== null) resolve(found[1]!)
            }
            child.stdout.on("data", look)
            child.stderr.on("data", look)
            child.on("exit", (code) => reject(new Error(`ended with ${code}: ${told}`)))
          })
      )
      const live = yield* Effect.promise(() => fetch(`${url}/livez`))
      assert.strictEqual(live.status, 200)
      const exited = once(child, "exit")
      child.kill("SIGTERM")
      assert.deepStrictEqual((yield* Effect.promise(() => exited)).slice(0, 1), [0], told)
    }).pipe(Effect.scoped)
  )
})
