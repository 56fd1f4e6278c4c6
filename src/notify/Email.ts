import { Effect, Redacted } from "effect"
import { createTransport } from "nodemailer"
import { type Channel, ChannelAway, type Message, MessageRefused } from "./Channel.ts"

export interface EmailSettings {
  readonly host: string
  readonly port: number
  readonly tls: "starttls" | "implicit" | "none"
  readonly auth: { readonly user: string; readonly password: Redacted.Redacted } | null
  readonly from: string
  readonly to: ReadonlyArray<string>
}

const timeoutMs = 15_000

/** Sends each message as one plain-text mail whose Message-ID is made of its id, so that a repetition can be told. */
export const send = (settings: EmailSettings): Channel["send"] => {
  const { auth, from, host, port, tls, to } = settings
  return (message) =>
    Effect.tryPromise({
      try: async (signal) => {
        // A connection for each: they are few, and one that idles is closed by the server anyhow.
        const transport = createTransport({
          ...{ host, port, secure: tls === "implicit", requireTLS: tls === "starttls", ignoreTLS: tls === "none" },
          ...(auth === null ? {} : { auth: { user: auth.user, pass: Redacted.value(auth.password) } }),
          ...{ connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs },
          // What a notification says is text, whatever it looks like.
          ...{ disableFileAccess: true, disableUrlAccess: true }
        })
        signal.addEventListener("abort", () => transport.close())
        try {
          await transport.sendMail({
            from,
            to: [...to],
            subject: subjectOf(message),
            text: textOf(message),
            messageId: `<${encodeURIComponent(message.id)}@kintsugi>`,
            headers: { "Auto-Submitted": "auto-generated" }
          })
        } finally {
          transport.close()
        }
      },
      catch: (cause) => {
        const { responseCode } = cause as { readonly responseCode?: number }
        const text = `${host}:${port}: ${cause instanceof Error ? cause.message : String(cause)}`
        // 552 and 554 are about this mail; other permanent codes are about addresses and rights, which people mend.
        return responseCode === 552 || responseCode === 554
          ? new MessageRefused({ message: text })
          : new ChannelAway({ message: text, cause })
      }
    })
}

const subjectCharsMax = 150

const subjectOf = ({ message, workflow }: Message): string => {
  const subject = `[kintsugi] ${workflow === undefined ? "" : `${workflow}: `}${message}`.replace(/\s+/g, " ")
  return subject.length <= subjectCharsMax ? subject : `${subject.slice(0, subjectCharsMax)}…`
}

const textOf = ({ at, data, id, kind, message, runId, stepId, workflow }: Message): string => {
  const facts = { workflow, run: runId, step: stepId, kind, at, id }
  const lines = Object.entries(facts).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]))
  return `${message}\n\n${lines.join("\n")}\n\n${JSON.stringify(data, null, 2)}\n`
}
