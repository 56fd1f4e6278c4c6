import type { Outcome } from "./campaign.ts"

const counted = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ")

/** The outcome as a table of a Markdown page, readable in a terminal too. */
export const reportLines = (outcome: Outcome): ReadonlyArray<string> => [
  "| what | count |",
  "| --- | --- |",
  `| seed | ${outcome.seed} |`,
  `| kill -9 of the server | ${outcome.kills}, of them ${outcome.killsDuringStart} while it started |`,
  `| kill -9 of Postgres | ${outcome.postgresKills} |`,
  `| server frozen for 2 to 5 s | ${outcome.freezes} |`,
  `| store's root taken away | ${outcome.outages} |`,
  `| files deleted | ${outcome.filesLost} |`,
  `| runs acknowledged | ${outcome.acknowledged}, of them ${outcome.canceledByUsers} canceled by their users |`,
  `| requests sent again | ${outcome.repeats} |`,
  `| runs in the log | ${counted(outcome.runs)} |`,
  `| why runs failed | ${counted(outcome.failures) || "none did"} |`,
  `| recoveries | ${counted(outcome.recoveries)} |`,
  `| runs interrupted and gone on | ${outcome.interruptions} |`,
  `| effects done once more than needed | ${outcome.duplicateEffects} |`,
  `| events checked | ${outcome.events} in ${outcome.streams} streams |`,
  `| start to listening | median ${Math.round(outcome.startMsMedian)} ms, longest ${Math.round(outcome.startMsMax)} ms |`,
  `| from the last fault until all was over | ${(outcome.settledMs / 1_000).toFixed(1)} s |`,
  `| whole campaign | ${Math.round(outcome.seconds)} s |`,
  `| verdict | ${outcome.faults.length === 0 ? "every invariant holds" : `${outcome.faults.length} faults`} |`
]
