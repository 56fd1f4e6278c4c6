import { Effect } from "effect"
import { rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { makeFolder } from "../postgres/Folder.ts"
import { SettingInvalid } from "./SettingText.ts"

/**
 * Makes the data directory if it is not there, and makes sure that it can be written. Others may pass through it (the
 * embedded server runs as a user of its own when we are root); what is secret in it protects itself. Fails with one line that names the setting.
 */
export const ensure = Effect.fn("DataDir.ensure")(function* (dataDir: string): Effect.fn.Return<void, SettingInvalid> {
  yield* Effect.tryPromise({ try: () => prepare(dataDir), catch: (cause) => refused(dataDir, cause) })
})

const prepare = async (dataDir: string): Promise<void> => {
  const found = await stat(dataDir).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined
    throw cause
  })
  if (found !== undefined && !found.isDirectory()) throw new Error("it exists and is a file, not a folder")
  if (found === undefined) await makeFolder(dataDir)
  const probe = join(dataDir, `.write-probe-${process.pid}`)
  await writeFile(probe, "")
  await rm(probe)
}

const refused = (dataDir: string, cause: unknown): SettingInvalid =>
  new SettingInvalid({
    setting: "--data-dir",
    message: `--data-dir (KINTSUGI_DATA_DIR): ${dataDir} cannot be used: ${told(cause)}`
  })

const reasons: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EROFS: "the file system is read-only",
  ENOSPC: "no space is left on the device",
  ENOENT: "the folder cannot be made there",
  ENOTDIR: "a part of the path is a file, not a folder",
  ELOOP: "too many symbolic links"
}

const told = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  const code = "code" in cause ? String(cause.code) : ""
  return reasons[code] ?? cause.message
}
