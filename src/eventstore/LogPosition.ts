import { Position } from "./EventStore.ts"

/** Before the first event of any log. */
export const start = Position.make(`${"0".repeat(8)}-${"0".repeat(16)}-${"0".repeat(16)}`)

/** The place of an event, from the columns of its row; `transactionId` is decimal text. */
export const of = (epoch: number, transactionId: string, globalPosition: bigint): Position => {
  // Rows of one transaction lie together, so nearly every row has the prefix of the one before.
  if (last === null || last.epoch !== epoch || last.transactionId !== transactionId) {
    last = { epoch, transactionId, prefix: prefix(epoch, transactionId) }
  }
  return within(last.prefix, globalPosition)
}
let last: { readonly epoch: number; readonly transactionId: string; readonly prefix: string } | null = null

/** What all events of one transaction have in common, so that a batch works it out once. */
export const prefix = (epoch: number, transactionId: string): string =>
  `${epoch.toString(16).padStart(8, "0")}-${BigInt(transactionId).toString(16).padStart(16, "0")}-`

/** The place of one event of a transaction. The text is right by construction, so it is not checked again. */
export const within = (prefix: string, globalPosition: bigint): Position =>
  (prefix + globalPosition.toString(16).padStart(16, "0")) as Position

/** The columns that a position was made of; null stands for the start of the log. */
export const parts = (
  position: Position | null
): { readonly epoch: number; readonly transactionId: string; readonly globalPosition: string } => {
  const [epoch, transactionId, globalPosition] = (position ?? start).split("-") as [string, string, string]
  return {
    epoch: Number.parseInt(epoch, 16),
    transactionId: BigInt(`0x${transactionId}`).toString(),
    globalPosition: BigInt(`0x${globalPosition}`).toString()
  }
}
