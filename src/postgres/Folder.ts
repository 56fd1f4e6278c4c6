import { mkdir } from "node:fs/promises"
import { dirname } from "node:path"

/** Like the recursive `mkdir`, which never returns when a file system (such as /proc) answers ENOENT to every try. */
export const makeFolder = async (folder: string): Promise<void> => {
  const tried = await mkdir(folder).catch((cause: NodeJS.ErrnoException) => cause)
  if (tried === undefined || tried.code === "EEXIST") return
  if (tried.code !== "ENOENT" || dirname(folder) === folder) throw tried
  await makeFolder(dirname(folder))
  await mkdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "EEXIST") throw cause
  })
}
