import { mkdir, utimes, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { chosen, seeded } from "../seeded.ts"

/** A file of the made-up folder. `modifiedAt` is ISO 8601. */
export interface MadeFile {
  readonly relativePath: string
  readonly bytes: number
  readonly modifiedAt: string
}

const extensions = ["md", "ts", "json", "csv", "png", "log"] as const
const folders = ["", "docs", "docs/guides", "src", "src/parts", "data", "data/2026/01"] as const
const filesAFolder = 5

/** What the folder holds. A pure function: the same files, sizes and times each time. */
export const madeFiles = (): ReadonlyArray<MadeFile> =>
  folders.flatMap((folder) =>
    Array.from({ length: filesAFolder }, (_, index) => {
      const seed = ["directory", folder, index] as const
      const name = `file-${index + 1}.${chosen(extensions, ...seed, "extension")}`
      return {
        relativePath: folder === "" ? name : `${folder}/${name}`,
        // From some bytes to some hundred kilobytes, small ones far more often.
        bytes: Math.floor(10 ** (1 + 4.5 * seeded(...seed, "bytes"))),
        modifiedAt: `2026-01-${String(1 + Math.floor(seeded(...seed, "day") * 28)).padStart(2, "0")}T12:00:00.000Z`
      }
    })
  )

/** Writes the files below `root`. */
export const makeFiles = async (root: string): Promise<void> => {
  for (const { bytes, modifiedAt, relativePath } of madeFiles()) {
    const path = join(root, relativePath)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, `${relativePath}\n`.repeat(1 + bytes / relativePath.length).slice(0, bytes))
    const time = new Date(modifiedAt)
    await utimes(path, time, time)
  }
}
