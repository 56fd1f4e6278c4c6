import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { markdown } from "./SettingReference.ts"

// `npm run docs:configuration`
writeFileSync(fileURLToPath(new URL("../../docs/CONFIGURATION.md", import.meta.url)), markdown())
