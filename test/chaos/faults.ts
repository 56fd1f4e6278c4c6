import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Draw } from "./random.ts"

const filesIn = (folder: string): ReadonlyArray<string> => {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.parentPath.includes(".kintsugi") && !entry.name.startsWith("."))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
  } catch {
    return []
  }
}

const settledAgeMs = 2_000

/** How long ago the file was written, ms; 0 when it has gone. */
const ageMs = (file: string): number => {
  try {
    return Date.now() - statSync(file).mtimeMs
  } catch {
    return 0
  }
}

/** Deletes files of the stores at random until the workload is over; answers how many. */
export const loseFiles = async (options: {
  readonly folder: string
  readonly draw: Draw
  readonly isOver: () => boolean
  readonly pauseMsMax: number
}): Promise<number> => {
  const { draw, folder, isOver, pauseMsMax } = options
  let lost = 0
  while (!isOver()) {
    await sleep(draw.between(20, pauseMsMax))
    const files = [...filesIn(join(folder, "inbox")), ...filesIn(join(folder, "lake"))]
    if (files.length === 0) continue
    for (let left = draw.between(1, 3); left > 0; left--) {
      const file = draw.oneOf(files)
      // A file that is gone before its maker has looked is output_absent, for good; mostly it is older ones that go.
      if (!draw.chance(0.1) && ageMs(file) < settledAgeMs) continue
      rmSync(file, { force: true })
      lost++
    }
  }
  return lost
}

/** Takes a store's root away for a while, as an unmounted disk, and puts it back; whether it was there to take. */
export const takeAway = async (folder: string, store: string, ms: number): Promise<boolean> => {
  const root = join(folder, store)
  const away = `${root}.away`
  if (!existsSync(root)) return false
  renameSync(root, away)
  await sleep(ms)
  // Whatever was made in its place meanwhile is not the disk.
  rmSync(root, { recursive: true, force: true })
  renameSync(away, root)
  return true
}
