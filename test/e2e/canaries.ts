import { assert } from "@effect/vitest"

/** How a text may look when something has quoted, encoded or escaped it. */
export const forms = (secret: string): ReadonlyArray<string> => {
  const inner = [0, 1, 2].map((shift) => {
    // The middle of its base64 wherever in a longer text it stood.
    const text = Buffer.concat([Buffer.alloc(shift), Buffer.from(secret)]).toString("base64")
    return text.slice(4, Math.floor(text.length / 4) * 4 - 4)
  })
  return [
    ...new Set([secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), ...inner]),
    Buffer.from(secret).toString("hex"),
    secret.replace(/[^ -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)
  ]
}

/** No form of any of the secrets is in the text; `secrets` by what they are. */
export const assertWithout = (what: string, text: string, secrets: Readonly<Record<string, string>>): void => {
  for (const [name, secret] of Object.entries(secrets)) {
    for (const form of forms(secret)) {
      const at = text.indexOf(form)
      assert(at < 0, `${what} holds the secret ${name}: …${text.slice(Math.max(0, at - 120), at + 60)}…`)
    }
  }
}
