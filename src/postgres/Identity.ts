import { Effect } from "effect"
import { readFile, stat } from "node:fs/promises"
import { dirname, resolve } from "node:path"

/**
 * As whom PostgreSQL runs; it refuses to run as root.
 *
 * `same`: as the user of this process. `setuid`: as an unprivileged user of the system. `unshare`: in a user namespace
 * in which root looks like `nobody`, for folders that no other user can enter.
 */
export type Identity =
  | { readonly _tag: "same" }
  | { readonly _tag: "setuid"; readonly uid: number; readonly gid: number }
  | { readonly _tag: "unshare" }

const nobody = 65_534

/**
 * Chooses the identity for `clusterDir`. An existing cluster keeps its owner: PostgreSQL demands to own its data.
 * `paths` are the folders that the server must be able to enter.
 */
export const choose = (clusterDir: string, paths: ReadonlyArray<string>): Effect.Effect<Identity> =>
  Effect.promise(async () => {
    if (process.getuid?.() !== 0) return { _tag: "same" }
    const existing = await stat(clusterDir).catch(() => undefined)
    if (existing !== undefined) {
      return existing.uid === 0 ? { _tag: "unshare" } : { _tag: "setuid", uid: existing.uid, gid: existing.gid }
    }
    const open = await Promise.all(paths.map(isOpenToOthers))
    if (!open.every(Boolean)) return { _tag: "unshare" }
    return { _tag: "setuid", ...(await unprivilegedUser()) }
  })

/** The command line of `program` under `identity`. */
export const command = (
  identity: Identity,
  program: string,
  args: ReadonlyArray<string>
): { readonly program: string; readonly args: ReadonlyArray<string>; readonly uid?: number; readonly gid?: number } => {
  switch (identity._tag) {
    case "same":
      return { program, args }
    case "setuid":
      return { program, args, uid: identity.uid, gid: identity.gid }
    case "unshare":
      return {
        program: "unshare",
        args: ["--user", `--map-user=${nobody}`, `--map-group=${nobody}`, program, ...args]
      }
  }
}

const isOpenToOthers = async (path: string): Promise<boolean> => {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const found = await stat(folder).catch(() => undefined)
    if (found !== undefined && (found.mode & 0o001) === 0) return false
    if (folder === dirname(folder)) return true
  }
}

/** `initdb` looks its user up by number, so the user must have an entry in the system's list. */
const unprivilegedUser = async (): Promise<{ readonly uid: number; readonly gid: number }> => {
  const passwd = await readFile("/etc/passwd", "utf8").catch(() => "")
  for (const name of ["postgres", "nobody"]) {
    const fields = passwd.match(new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, "m"))
    if (fields !== null) return { uid: Number(fields[1]), gid: Number(fields[2]) }
  }
  return { uid: nobody, gid: nobody }
}
