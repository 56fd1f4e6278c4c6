import { Redacted } from "effect"
import type { ReceiverSettings } from "../openlineage/Receiver.ts"
import { openLineage } from "./SettingCatalogue.ts"
import * as SettingText from "./SettingText.ts"
import type { Given } from "./SettingText.ts"

/**
 * The receiver of run events, by the variables that OpenLineage's own clients know; null without `OPENLINEAGE_URL`.
 * Throws `SettingInvalid`.
 */
export const read = (given: Given): ReceiverSettings | null => {
  const base = SettingText.textOf(given, openLineage.url)
  if (base === undefined) {
    for (const { variable } of [openLineage.endpoint, openLineage.apiKey, openLineage.namespace]) {
      if (SettingText.find(given, variable) === undefined) continue
      throw SettingText.invalid(
        variable,
        `left out where ${openLineage.url.variable} is not set: nothing is sent without it`,
        null
      )
    }
    return null
  }
  const { right } = openLineage.url
  const url = URL.canParse(base.text) ? new URL(base.text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== "" || url.hash !== "") {
    throw SettingText.invalid(base.name, right, base.text)
  }
  // `fetch` takes none in a URL, and they would be shown in warnings.
  if (url.username !== "" || url.password !== "") {
    throw SettingText.invalid(base.name, `${right}, and without user and password (see OPENLINEAGE_API_KEY)`, null)
  }
  const endpoint = SettingText.textOf(given, openLineage.endpoint)?.text ?? openLineage.endpoint.otherwise
  if (/[?#\s\\]/.test(endpoint) || endpoint.includes("://")) {
    throw SettingText.invalid(openLineage.endpoint.variable, openLineage.endpoint.right, endpoint)
  }
  const apiKey = SettingText.textOf(given, openLineage.apiKey)?.text
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) {
    throw SettingText.invalid(openLineage.apiKey.variable, openLineage.apiKey.right, null)
  }
  return {
    url: `${url.href.replace(/\/+$/, "")}/${endpoint.replace(/^\/+/, "")}`,
    apiKey: apiKey === undefined ? null : Redacted.make(apiKey),
    namespace: SettingText.textOf(given, openLineage.namespace)?.text ?? openLineage.namespace.otherwise
  }
}
