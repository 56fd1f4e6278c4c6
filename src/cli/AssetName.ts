import { Result } from "effect"
import { SettingInvalid } from "./SettingText.ts"

export interface AssetName {
  readonly assetId: string
  /** undefined: none is named. */
  readonly partitionKey: string | undefined
}

/** `ASSET` or `ASSET[PARTITION]`, as an asset is named everywhere; `setting` is what a fault is told by. */
export const parse = (text: string, setting: string): Result.Result<AssetName, SettingInvalid> => {
  const matched = /^([^[\]]+)(?:\[([^[\]]+)\])?$/.exec(text)
  if (matched !== null) return Result.succeed({ assetId: matched[1]!, partitionKey: matched[2] })
  const right = "ASSET or ASSET[PARTITION], such as 'orders.raw[2026-01]'"
  const message = `${setting}: must be ${right}, not ${JSON.stringify(text)}`
  return Result.fail(new SettingInvalid({ setting, message }))
}
