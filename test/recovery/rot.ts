import { execFileSync } from "node:child_process"
import { writeFileSync } from "node:fs"

/** Other bytes of the same length in the same file, with the times of before: what a failing disk does. */
export const rot = (path: string, bytes: string | Uint8Array) => {
  const times = `${path}.times`
  writeFileSync(times, "")
  execFileSync("touch", ["-r", path, times])
  writeFileSync(path, bytes)
  execFileSync("touch", ["-r", times, path])
  execFileSync("rm", [times])
}
