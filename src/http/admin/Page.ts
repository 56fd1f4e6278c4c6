import type { AttentionItem } from "../../projections/AttentionQuery.ts"
import type { Identity } from "../Authenticate.ts"
import { type Html, html } from "./Html.ts"
import { style } from "./Style.ts"
import type { View } from "./View.ts"

const refreshSeconds = 30

const frame = (title: string, head: Html | null, body: Html): string =>
  html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title><meta name="robots" content="noindex">${head}${style}</head><body>${body}</body></html>`.text

/** The form that asks for a token; `problem` says why it is asked again. */
export const login = (problem: string | null): string =>
  frame(
    "Kintsugi: sign in",
    null,
    html`<main class="login"><h1>Kintsugi</h1>${problem === null ? null : html`<p class="bad" role="alert">${problem}</p>`}
<form method="post" action="/admin/login"><label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus maxlength="8192">
<button class="main">Sign in</button></form>
<p class="soft small">An API token of any role, or the admin token of the server.</p></main>`
  )

/** Everything at a glance: what needs a human first, then what the system is doing. */
export const overview = (view: View, identity: Identity): string => {
  const count = view.attention === null ? "?" : `${view.attention.items.length}${view.attention.hasMore ? "+" : ""}`
  return frame(
    count === "0" ? "Kintsugi" : `(${count}) Kintsugi`,
    html`<meta http-equiv="refresh" content="${refreshSeconds};url=/admin?refresh=1">`,
    html`<header><h1>Kintsugi</h1><p>${identity.principal}, ${identity.role} · ${clock(view.now)} · refreshes every ${refreshSeconds} s</p>
<form method="post" action="/admin/logout"><button>Sign out</button></form></header>
<main>${attention(view, count)}${queues(view)}${recoveries(view)}${stores(view)}${projections(view)}</main>
<footer>Click a command to select all of it. The same is at <code>/api/v1/admin/attention</code>, and in
<code>kintsugi attention</code>.</footer>`
  )
}

const unread = html`<p class="bad">This cannot be read now: the database does not answer in time.</p>`
const clock = (epochMs: number): Html => {
  const iso = new Date(epochMs).toISOString()
  return html`<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC</time>`
}

const ago = (iso: string, now: number): Html => {
  const seconds = Math.max(0, Math.round((now - Date.parse(iso)) / 1000))
  const [size, unit] =
    seconds < 90
      ? [seconds, "s"]
      : seconds < 5_400
        ? [seconds / 60, "min"]
        : seconds < 129_600
          ? [seconds / 3_600, "h"]
          : [seconds / 86_400, "days"]
  return html`<time datetime="${iso}" title="${iso}">${Math.round(size as number)} ${unit as string}</time>`
}

const nameOf = (asset: { readonly assetId: string; readonly partitionKey: string | null }): string =>
  asset.partitionKey === null ? asset.assetId : `${asset.assetId}[${asset.partitionKey}]`

// ---------------------------------------------------------------- attention

const attention = ({ attention: found, muted, now }: View, count: string): Html => {
  if (found === null) return html`<h2>Attention</h2>${unread}`
  const { hasMore, items } = found
  const worst = items[0]?.severity ?? "fine"
  const state =
    items.length === 0
      ? "Nothing needs you."
      : `${count} ${items.length === 1 && !hasMore ? "thing needs" : "things need"} a human.`
  return html`<p class="state ${worst}">${state}</p>
${items.map((item) => entry(item, now))}
${hasMore ? html`<p class="soft">There are more: <code>kintsugi attention</code> lists all.</p>` : null}
${muted === null || muted.length === 0 ? null : html`<details><summary>${muted.length} muted</summary>${muted.map((item) => entry(item, now))}</details>`}`
}

const entry = (item: AttentionItem, now: number): Html => {
  const { action, count, message, muted, reasonCode, rootCause, severity, since, stepId, workflow } = item
  const where = [workflow, stepId === null ? null : `step ${stepId}`].filter((part) => part !== null).join(" · ")
  const asset = item.assetId === null ? null : nameOf({ assetId: item.assetId, partitionKey: item.partitionKey })
  return html`<article class="${severity}"><h3><span class="badge ${severity}">${severity}</span>
<span>${subject(item)}</span> <span class="soft small">${reasonCode} · for ${ago(since, now)}${count > 1 ? ` · ${count} times` : ""}</span></h3>
<p>${message}</p>
${where === "" && asset === null ? null : html`<p class="soft small">${where}${where !== "" && asset !== null ? " · " : ""}${asset}</p>`}
${rootCause === null ? null : html`<p class="small">Cause: <strong>${nameOf(rootCause)}</strong>, ${rootCause.why}</p>`}
${muted === null ? null : html`<p class="small">Muted by ${muted.by ?? "somebody"} until ${muted.until}: ${muted.reason}</p>`}
<p>${action.text}</p><code class="command">${action.command}</code>
<code class="command request">${action.request.method} ${action.request.path}</code></article>`
}

const subject = ({ assetId, id, kind, partitionKey, runId, workflow }: AttentionItem): string => {
  switch (kind) {
    case "run":
      return `Run ${runId ?? ""}`
    case "recovery":
      return `Recovery of ${assetId === null ? id : nameOf({ assetId, partitionKey })}`
    case "materialization":
      return `Automatic runs of ${workflow ?? id}`
    case "schedule":
      return `Schedule of ${id.slice("schedule:".length)}`
    case "store":
    case "projection":
    case "finding":
      return id.replace(":", " ")
  }
}

// ------------------------------------------------------------------- system

const table = (names: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<Html | string | number>>): Html =>
  html`<div class="scroll"><table><tr>${names.map((name) => html`<th>${name}</th>`)}</tr>${rows.map(
    (cells) =>
      html`<tr>${cells.map(
        (cell, index) =>
          html`<td data-name="${names[index] ?? ""}"${typeof cell === "number" ? html` class="number"` : null}>${cell}</td>`
      )}</tr>`
  )}</table></div>`

const command = (text: string): Html => html`<code>${text}</code>`

const queueRequests: Readonly<Record<string, string>> = {
  workflow: "GET /api/v1/runs?status=waiting",
  recovery: "GET /api/v1/recoveries?status=running"
}

const queues = ({ queues: health }: View): Html => {
  if (health === null) return html`<h2>Queues</h2>${unread}`
  const { delayed, queues: all, recoveries: healed } = health
  const figures: ReadonlyArray<readonly [string, number]> = [
    ["waits for a recovery", delayed.recovery],
    ["waits for a store", delayed.store],
    ["waits for a retry", delayed.retry],
    ["waits for an input", delayed.input],
    ["recoveries active", healed.active],
    ["healed", healed.succeeded]
  ]
  return html`<h2>Queues <small>what the system is doing</small></h2>
${table(
  ["queue", "waiting", "active", "delayed", "paused", "completed", "failed", "oldest waits", "look"],
  all.map(({ counts, key, oldestWaitingMs }) => [
    key,
    ...[counts.waiting, counts.active, counts.delayed, counts.paused, counts.completed, counts.failed],
    oldestWaitingMs === null ? "" : `${Math.round(oldestWaitingMs / 1000)} s`,
    command(queueRequests[key] ?? "GET /api/v1/admin/queue-health")
  ])
)}
<dl class="figures">${figures.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`
}

const recoveries = ({ now, recoveries: all }: View): Html => {
  if (all === null) return html`<h2>Recoveries</h2>${unread}`
  if (all.length === 0) return html`<h2>Recoveries</h2><p class="soft">Nothing was ever lost.</p>`
  return html`<h2>Recoveries <small>the newest</small></h2>${table(
    ["asset", "status", "attempts", "waiters", "asked for", "command"],
    all.map((recovery) => [
      nameOf(recovery),
      status(recovery.status, recovery.reasonCode ?? null),
      `${recovery.attempts} of ${recovery.maxAttempts}`,
      recovery.waiterCount,
      html`${ago(recovery.requestedAt ?? new Date(now).toISOString(), now)} ago`,
      command(`kintsugi inspect recovery ${recovery.id}`)
    ])
  )}`
}

const stores = ({ now, stores: all }: View): Html => {
  if (all === null) return html`<h2>Stores</h2>${unread}`
  return html`<h2>Stores</h2>${table(
    ["store", "status", "since", "waiting", "what is wrong", "command"],
    all.map(({ error, name, since, status: state, type, waiting }) => [
      `${name} (${type})`,
      status(state, null),
      since === null ? "" : ago(since, now),
      waiting,
      error ?? "",
      command("kintsugi doctor")
    ])
  )}`
}

const projections = ({ projections: all }: View): Html => {
  if (all === null) return html`<h2>Read models</h2>${unread}`
  return html`<h2>Read models</h2>${table(
    ["read model", "status", "behind", "what is wrong", "command"],
    all.map(({ error, lagEvents, name, rebuilding }) => [
      name,
      status(error !== null ? "stopped" : rebuilding ? "rebuilding" : "running", null),
      lagEvents === null ? "not known" : `${lagEvents} events`,
      error ?? "",
      command(`kintsugi rebuild ${name}`)
    ])
  )}`
}

const bad: ReadonlySet<string> = new Set(["failed", "unavailable", "wiped", "stopped"])
const good: ReadonlySet<string> = new Set(["ready", "running", "succeeded"])

const status = (word: string, reason: string | null): Html =>
  html`<span class="${bad.has(word) ? "bad" : good.has(word) ? "good" : "soft"}">${word}${reason === null ? "" : ` (${reason})`}</span>`
