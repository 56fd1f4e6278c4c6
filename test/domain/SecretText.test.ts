import { assert, describe, it } from "@effect/vitest"
import { storable } from "../../src/domain/Failure.ts"

const stored = (message: string): string => storable({ class: "permanent", code: "x", message }).message

describe("the message of a failure, as it is stored", () => {
  it("F84: has no credentials of URLs, of headers or of settings", () => {
    for (const [message, expected] of [
      ["no answer from https://me:hunter2@db/x?y=1", "no answer from https://[redacted]@db/x?y=1"],
      ["GET https://a/b?token=hunter2&page=2 said 500", "GET https://a/b?token=[redacted]&page=2 said 500"],
      [
        "GET /b?X-Amz-Credential=hunter2&X-Amz-Signature=hunter2#z",
        "GET /b?X-Amz-Credential=[redacted]&X-Amz-Signature=[redacted]#z"
      ],
      ["https://a/?access_token=hunter2", "https://a/?access_token=[redacted]"],
      ["sent Authorization: Bearer hunter2hunter2", "sent Authorization: Bearer [redacted]"],
      ["x-api-key: hunter2, accept: */*", "x-api-key: [redacted], accept: */*"],
      ['{"x-amz-security-token":"hunter2"}', '{"x-amz-security-token":"[redacted]"}'],
      ["Set-Cookie: sid=hunter2; Path=/", "Set-Cookie: sid=[redacted]; Path=/"],
      [
        "env AWS_SECRET_ACCESS_KEY=hunter2 DB_PASSWORD=hunter2",
        "env AWS_SECRET_ACCESS_KEY=[redacted] DB_PASSWORD=[redacted]"
      ]
    ] as const) {
      assert.strictEqual(stored(message), expected)
    }
  })

  it("keeps what only looks like it: the cause is what somebody has to read at night", () => {
    for (const message of [
      "Unexpected token: ] at 12",
      "secret: must be a text; token=, password is missing",
      "steps[0].request.headers.token must be at https://host:80/a@b?tokens=3",
      "x-rate-limit: 12, cookie: is no header of ours",
      "the key orders/API_KEY.csv has no TOKEN"
    ]) {
      assert.strictEqual(stored(message), message)
    }
  })

  it("is read in linear time, whatever it holds", () => {
    for (const part of ["A_", "?token", "x-a-", "&a.", "cookie:", "a://", "basic "]) {
      assert.isAtMost(stored(part.repeat(4_000)).length, 8_001)
    }
  })
})
