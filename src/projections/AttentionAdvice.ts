import type { Row } from "./AttentionRows.ts"

/** What to do, in words, as a command line, and as the same request over HTTP. */
export interface Action {
  readonly text: string
  /** A `kintsugi` command that is ready to be run. */
  readonly command: string
  readonly request: { readonly method: "GET" | "POST"; readonly path: string; readonly body?: unknown }
}

type Subject = Pick<
  Row,
  "id" | "kind" | "reasonCode" | "runId" | "recoveryId" | "assetId" | "partitionKey" | "rootCause"
>

/** The suggested action for one thing that needs attention: for each reason code its own. */
export const actionOf = (item: Subject): Action => {
  switch (item.kind) {
    case "run":
      return ofRun(item)
    case "recovery":
      return ofRecovery(item)
    case "materialization":
      return run(
        "recover",
        item.runId ?? "",
        "Mend what the failure names, then recover the last of the runs; its success sets the automatic runs going again."
      )
    case "store":
      return {
        text:
          item.reasonCode === "store_wiped"
            ? 'Mount or restore the store: it answers without its marker. Where it really was emptied and shall be healed, set onWiped: "heal" for it and restart.'
            : "Bring the store back: it is probed all the time, and whatever waits for it goes on by itself.",
        command: "kintsugi doctor",
        request: { method: "GET", path: "/api/v1/admin/stores" }
      }
    case "projection": {
      const name = item.id.slice("projection:".length)
      return {
        text: "Look at why the read model has stopped; when the cause is gone, build it anew.",
        command: `kintsugi rebuild ${word(name)}`,
        request: { method: "POST", path: `/api/v1/admin/projections/${encodeURIComponent(name)}/rebuild` }
      }
    }
    case "schedule": {
      const path = `/api/v1/workflows/${encodeURIComponent(item.id.slice("schedule:".length))}/auto-materialize`
      return {
        text: "No run of the schedule starts: mend what the reason names; the next occurrence that starts settles it.",
        command: `curl -H "Authorization: Bearer $KINTSUGI_ADMIN_TOKEN" "\${KINTSUGI_URL:-http://127.0.0.1:4000}${path}"`,
        request: { method: "GET", path }
      }
    }
    case "finding":
      return {
        text: findingAdvice(item.reasonCode),
        command: "kintsugi integrity recover",
        request: { method: "POST", path: "/api/v1/integrity/recover" }
      }
  }
}

const findingAdvice = (reasonCode: string): string => {
  if (reasonCode === "comes_back") {
    return "It was repaired and came back, or nothing helped: look who removes or changes it, then recover what is found."
  }
  return `${reasons[reasonCode] ?? "Nothing here can repair it: mend what the message names."} Then recover what is found.`
}

const ofRun = (item: Subject): Action => {
  const runId = item.runId ?? ""
  if (item.reasonCode === "waiting_for_store") {
    return {
      text: "Bring the store back: it is probed all the time, and the run goes on by itself.",
      command: `kintsugi inspect run ${word(runId)}`,
      request: { method: "GET", path: `/api/v1/runs/${encodeURIComponent(runId)}` }
    }
  }
  const advice = reasons[item.reasonCode]
  return run(
    "recover",
    runId,
    advice === undefined
      ? "Mend what the failure names, then recover the run: it goes on from its last checkpoint, finished steps kept."
      : `${advice} Then recover the run, which opens the recovery afresh.`
  )
}

const ofRecovery = (item: Subject): Action => {
  const { assetId, reasonCode, recoveryId, rootCause } = item
  const isElsewhere = rootCause !== null && rootCause.assetId !== assetId
  const where = isElsewhere ? ` The cause is ${nameOf(rootCause)}.` : ""
  const id = recoveryId ?? ""
  return {
    text: `${reasons[reasonCode] ?? "Mend what the failure names."} Then retry the recovery.${where}`,
    command: `kintsugi recover recovery ${word(id)}`,
    request: { method: "POST", path: `/api/v1/recoveries/${encodeURIComponent(id)}/retry` }
  }
}

/** What each reason code asks of a person, before anything is tried again. */
const reasons: Readonly<Record<string, string | undefined>> = {
  source_asset: "The asset comes from outside: have its source deliver it again and announce it.",
  no_producer:
    "Nobody ever recorded the asset: put the file back, and announce it (POST /api/v1/assets/{assetId}/produced) if a step consumes it by name; or declare the step that makes it.",
  producer_gone: "The workflow, job or store that made it is not there any more: put it back, or put the file back.",
  parameters_unknown: "It is not recorded with which parameters it was made: run the producing workflow by hand.",
  not_idempotent:
    "Its producer must not run twice (idempotent: false): look what a second run would do, and run it by hand.",
  budget_exhausted: "Every attempt failed: mend what the failure names.",
  ceiling_reached: "It is lost again after each heal: find out who removes it.",
  deadline_exceeded:
    "The heal took longer than its step waits: look at the producer's runs, or give the step a longer deadline.",
  cycle: "The assets wait for each other: put one of them back by hand.",
  output_absent: "The producer succeeded without writing the asset: mend its job.",
  output_corrupt: "The producer wrote bytes that do not keep the declared shape: mend its job.",
  disabled: "Recovery is switched off for it: switch it on, or run the producing workflow by hand."
}

const run = (verb: "recover", runId: string, text: string): Action => ({
  text,
  command: `kintsugi ${verb} run ${word(runId)}`,
  request: { method: "POST", path: `/api/v1/runs/${encodeURIComponent(runId)}/${verb}` }
})

const nameOf = ({ assetId, partitionKey }: { readonly assetId: string; readonly partitionKey: string }): string =>
  partitionKey === "" ? assetId : `${assetId}[${partitionKey}]`

/** One word of a shell's command line, whatever is in it. */
const word = (text: string): string =>
  /^[A-Za-z0-9._:@/+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
