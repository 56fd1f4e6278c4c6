import { Redacted } from "effect"
import type { ReceiverSettings } from "../openlineage/Receiver.ts"
import * as SettingText from "./SettingText.ts"
import type { Given } from "./SettingText.ts"

/**
 * The receiver of run events, by the variables that OpenLineage's own clients know; null without `OPENLINEAGE_URL`.
 * Throws `SettingInvalid`.
 */
export const read = (given: Given): ReceiverSettings | null => {
  const base = SettingText.find(given, "OPENLINEAGE_URL")
  if (base === undefined) {
    for (const name of ["OPENLINEAGE_ENDPOINT", "OPENLINEAGE_API_KEY", "OPENLINEAGE_NAMESPACE"] as const) {
      if (SettingText.find(given, name) === undefined) continue
      throw SettingText.invalid(name, "left out where OPENLINEAGE_URL is not set: nothing is sent without it", null)
    }
    return null
  }
  const right = "an http or https URL without parameters, such as http://127.0.0.1:5000"
  const url = URL.canParse(base.text) ? new URL(base.text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== "" || url.hash !== "") {
    throw SettingText.invalid(base.name, right, base.text)
  }
  // `fetch` takes none in a URL, and they would be shown in warnings.
  if (url.username !== "" || url.password !== "") {
    throw SettingText.invalid(base.name, `${right}, and without user and password (see OPENLINEAGE_API_KEY)`, null)
  }
  const endpoint = SettingText.find(given, "OPENLINEAGE_ENDPOINT")?.text ?? "api/v1/lineage"
  if (/[?#\s\\]/.test(endpoint) || endpoint.includes("://")) {
    throw SettingText.invalid("OPENLINEAGE_ENDPOINT", "a path such as api/v1/lineage", endpoint)
  }
  const apiKey = SettingText.find(given, "OPENLINEAGE_API_KEY")?.text
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) {
    throw SettingText.invalid("OPENLINEAGE_API_KEY", "visible ASCII characters without spaces", null)
  }
  return {
    url: `${url.href.replace(/\/+$/, "")}/${endpoint.replace(/^\/+/, "")}`,
    apiKey: apiKey === undefined ? null : Redacted.make(apiKey),
    namespace: SettingText.find(given, "OPENLINEAGE_NAMESPACE")?.text ?? "kintsugi"
  }
}
