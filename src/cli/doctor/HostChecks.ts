import { Effect } from "effect"
import { access, constants, stat, statfs } from "node:fs/promises"
import * as AdminToken from "../AdminToken.ts"
import { error, type Finding, ok, skipped, warning } from "./Finding.ts"

/** Oldest Node.js: it strips types, and has hooks for modules in the same thread. */
const nodeMin = { major: 22, minor: 19 }

/** `version` as `process.versions.node` has it. */
export const node = (version: string): Finding => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  const isNewEnough = major > nodeMin.major || (major === nodeMin.major && minor >= nodeMin.minor)
  if (isNewEnough) return ok("node", `Node.js ${version}`)
  return error(
    "node",
    `Node.js ${version}, and ${nodeMin.major}.${nodeMin.minor} or newer is needed`,
    "an older one cannot read app modules in TypeScript",
    "npm ci (its node_modules/.bin/node is used by bin/kintsugi)"
  )
}

/** Whether the data directory can be written; one that is not there yet is made by `serve`. */
export const dataDir = (folder: string): Effect.Effect<Finding> =>
  Effect.promise(async () => {
    const found = await stat(folder).catch((cause: NodeJS.ErrnoException) => cause)
    const wrong = (what: string, command: string) =>
      error("data directory", `${folder} ${what}`, "the server cannot keep its token or its database", command)
    if (found instanceof Error) {
      return found.code === "ENOENT"
        ? ok("data directory", `${folder} is not there yet; kintsugi serve makes it`)
        : wrong(`cannot be looked at (${found.code})`, "kintsugi serve --data-dir DIR with another folder")
    }
    if (!found.isDirectory()) {
      return wrong("is a file and no folder", "kintsugi serve --data-dir DIR with another folder")
    }
    const refused = await access(folder, constants.W_OK | constants.X_OK).then(
      () => null,
      (cause: NodeJS.ErrnoException) => cause.code
    )
    return refused === null
      ? ok("data directory", `${folder} can be written`)
      : wrong(`cannot be written (${refused})`, `chown "$(id -u)" ${folder}`)
  })

/** Whether the token file holds a token that only its owner can read. */
export const tokenFile = (folder: string, isGivenByEnvironment: boolean): Effect.Effect<Finding> => {
  const check = "token file"
  if (isGivenByEnvironment) return Effect.succeed(ok(check, "not used: KINTSUGI_ADMIN_TOKEN is set"))
  const file = AdminToken.fileOf(folder)
  return Effect.matchEffect(AdminToken.find(folder), {
    onFailure: ({ message }) =>
      Effect.succeed(error(check, message, "kintsugi serve will not start with it", `rm ${file}`)),
    onSuccess: (token) =>
      token === null
        ? Effect.succeed(ok(check, "none yet; kintsugi serve makes one"))
        : Effect.map(
            Effect.promise(() => stat(file)),
            ({ mode }) =>
              (mode & 0o077) === 0
                ? ok(check, `${file} is its owner's alone`)
                : error(
                    check,
                    `${file} can be used by other users (mode ${(mode & 0o777).toString(8)})`,
                    "whoever reads it is the admin of this server",
                    `chmod 600 ${file}`
                  )
          )
  })
}

const gibibyte = 1024 ** 3
const freeSound = { bytes: 2 * gibibyte, share: 0.1 }
const freeNeeded = { bytes: gibibyte / 8, share: 0.01 }

/** What a disk's free bytes mean to whoever writes there. A file system without a size (such as /proc) tells nothing. */
export const freeSpace = (check: string, folder: string, free: number, total: number): Finding => {
  if (total === 0) return skipped(check, `the file system of ${folder} tells no size`)
  const share = free / total
  const what = `${inUnits(free)} (${Math.floor(share * 100)} %) free at ${folder}`
  const command = `du -xh --max-depth=2 ${folder} | sort -h | tail`
  if (free < freeNeeded.bytes || (share < freeNeeded.share && free < freeSound.bytes)) {
    return error(check, what, "a full disk stops the log: commands are refused until there is room", command)
  }
  if (free < freeSound.bytes && share < freeSound.share) {
    return warning(check, what, "a full disk stops the log: commands are refused until there is room", command)
  }
  return ok(check, what)
}

/** Free space where `folder` lies. */
export const disk = (check: string, folder: string): Effect.Effect<Finding> =>
  Effect.promise(() =>
    statfs(folder).then(
      ({ bavail, blocks, bsize }) => freeSpace(check, folder, bavail * bsize, blocks * bsize),
      (cause: NodeJS.ErrnoException) => skipped(check, `${folder} is not there (${cause.code})`)
    )
  )

const inUnits = (bytes: number): string =>
  bytes < gibibyte ? `${Math.floor(bytes / 1024 ** 2)} MiB` : `${(bytes / gibibyte).toFixed(1)} GiB`
