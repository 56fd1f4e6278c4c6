import { readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { makeFolder } from "./Folder.ts"

/**
 * Which processes use an embedded server: one small file each, named after the process. The last one out stops the
 * server; a process that was killed leaves its file behind, and the next to look sees that nobody is there.
 */
export interface Registration {
  readonly path: string
}

let registrations = 0

/** Says that this process uses the server. Fails when the folder cannot be written. */
export const register = async (folder: string): Promise<Registration> => {
  await makeFolder(folder)
  const path = join(folder, `${process.pid}.${++registrations}`)
  await writeFile(path, await birth(process.pid))
  return { path }
}

/** Takes the registration back and answers whether anybody else still uses the server. */
export const leave = async (folder: string, registration: Registration): Promise<"last" | "others"> => {
  await rm(registration.path, { force: true })
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name)
    const written = await readFile(path, "utf8").catch(() => undefined)
    const pid = Number.parseInt(name, 10)
    if (written !== undefined && (await birth(pid)) === written && exists(pid)) return "others"
    await rm(path, { force: true })
  }
  return "last"
}

const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "EPERM"
  }
}

/** When the process began, in ticks since boot, so that a reused process id is not taken for the same process. */
const birth = async (pid: number): Promise<string> => {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? ""
}
