import { Semaphore } from "effect"
import type { ObjectStore } from "./ObjectStore.ts"

/**
 * At most `concurrency` operations of this process on the store at once (F34); the others wait in the order in which
 * they came. Probes pass by: an overloaded store must still be seen to answer.
 */
export const make = (driver: ObjectStore, concurrency: number): ObjectStore => {
  const turn = Semaphore.makeUnsafe(concurrency)
  const { statMany } = driver
  return {
    ...driver,
    readBytes: (key) => turn.withPermit(driver.readBytes(key)),
    write: (key, bytes) => turn.withPermit(driver.write(key, bytes)),
    stat: (key) => turn.withPermit(driver.stat(key)),
    ...(statMany === undefined ? {} : { statMany: (keys: ReadonlyArray<string>) => turn.withPermit(statMany(keys)) }),
    list: (prefix, limit) => turn.withPermit(driver.list(prefix, limit)),
    delete: (key) => turn.withPermit(driver.delete(key)),
    copy: (fromKey, toKey) => turn.withPermit(driver.copy(fromKey, toKey))
  }
}
