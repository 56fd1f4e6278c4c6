import { assert, describe, it } from "@effect/vitest"
import { guardedLookup, type HttpAccess, isPrivate, parseAllowed } from "../../src/capabilities/HttpAccess.ts"

describe("addresses that workflows may not ask", () => {
  it.each([
    ...["127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
    ...["169.254.169.254", "100.64.0.1", "100.100.100.200", "224.0.0.1", "255.255.255.255", "198.18.0.1"],
    ...["192.0.0.192", "168.63.129.16"],
    ...["::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1"],
    ...["::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254", "::127.0.0.1"],
    ...["192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.175.48.1", "198.51.100.1", "203.0.113.1"],
    ...["240.0.0.1", "64:ff9b::808:808", "64:ff9b:1::808:808", "100::1", "100:0:0:1::1", "2001:10::1", "2001:20::1"],
    ...["2001:2::1", "2001:1::1", "2001:db8::1", "2620:4f:8000::1", "3fff::1", "5f00::1", "fec0:ffff::1"],
    ...["::ffff:0:7f00:1", "::ffff:0:169.254.169.254", "::ffff:0:808:808"],
    ...["64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:1::", "not an address", ""]
  ])("%s is one", (address) => {
    assert.isTrue(isPrivate(address))
  })

  it.each([
    ...["8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "169.253.1.1"],
    ...["2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8"]
  ])("%s is none", (address) => {
    assert.isFalse(isPrivate(address))
  })
})

const access = (allow: ReadonlyArray<string>, address = "127.0.0.1"): HttpAccess => ({
  allow: allow.map((text) => parseAllowed(text)!),
  resolve: (_hostname, _options, callback) => callback(null, [{ address, family: 4 }])
})

const refusal = (url: string, allow: ReadonlyArray<string>, address?: string): string | null => {
  try {
    let refused: string | null = null
    const parsed = new URL(url)
    guardedLookup(access(allow, address), parsed)(parsed.hostname, {}, (error) => {
      refused = error?.message ?? null
    })
    return refused
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

describe("hosts that an app allows", () => {
  it.each([
    ["http://localhost:8080/", ["localhost:8080"]],
    ["http://LOCALHOST/", ["localhost"]],
    ["http://127.0.0.1:1234/", ["127.0.0.1"]],
    ["http://[::1]:8080/", ["[0:0::1]:8080"]],
    ["https://a.b.internal.example/", ["*.internal.example"]],
    ["https://a.internal.example/", ["*.internal.example:443"]]
  ] as const)("%s is one by %s", (url, allow) => {
    assert.isNull(refusal(url, allow))
  })

  it.each([
    ["http://localhost:8081/", ["localhost:8080"]],
    ["http://internal.example/", ["*.internal.example"]],
    ["http://evilinternal.example/", ["*.internal.example"]],
    ["http://127.0.0.1/", ["localhost"]],
    ["http://2130706433/", []],
    ["http://0x7f.1/", []],
    ["http://[::ffff:127.0.0.1]/", []]
  ] as const)("%s is none by %s", (url, allow) => {
    assert.match(refusal(url, allow) ?? "", /is no public address/)
  })

  it("are those with a public address, too", () => {
    assert.isNull(refusal("http://example.com/", [], "93.184.216.34"))
  })

  it.each(["http://x", "a b", "*", "*.", "[x]:1", "host:0", "host:70000", "x/y", ""])("%s is no entry", (text) => {
    assert.isUndefined(parseAllowed(text))
  })
})
