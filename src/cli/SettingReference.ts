import * as Catalogue from "./SettingCatalogue.ts"
import type { Described } from "./SettingText.ts"

/** docs/CONFIGURATION.md, whole. */
export const markdown = (): string => `${[head, ...Catalogue.groups.map(section), tail].join("\n\n")}\n`

const head = `# Configuration

<!-- Made from src/cli/SettingCatalogue.ts by \`npm run docs:configuration\`. -->

A flag goes before its variable, and an empty variable is one that is not set. A wrong value ends the command with exit 2 and one
line on stderr that names the setting and what would be right; \`kintsugi doctor\` tells all of them at once.`

const section = ({ settings, title }: (typeof Catalogue.groups)[number]): string =>
  [
    `## ${title}`,
    "",
    "| variable | flag | value | default | meaning |",
    "| --- | --- | --- | --- | --- |",
    ...Object.values(settings).map(row)
  ].join("\n")

const row = (setting: Described): string => {
  const flag = setting.flag === undefined ? "" : code(`--${setting.flag}`)
  const otherwise = setting.absent ?? (setting.otherwise === null ? "none" : code(String(setting.otherwise)))
  const meaning = `${setting.meaning}.${setting.secret === true ? " Secret: never shown or logged." : ""}`
  return `| ${[code(setting.variable), flag, valueOf(setting), otherwise, meaning].map(inCell).join(" | ")} |`
}

const valueOf = (setting: Described): string => {
  switch (setting.kind) {
    case "whole":
      return `whole number${setting.unit === undefined ? "" : ` of ${setting.unit}`}, ${setting.minimum} to ${setting.maximum}`
    case "choice":
      return setting.choices.map(code).join(" or ")
    case "text":
      return setting.right
  }
}

const code = (text: string): string => `\`${text}\``
const inCell = (text: string): string => text.replaceAll("|", "\\|")

const tail = `## Read by what Kintsugi stands on

| variable | read by |
| --- | --- |
| \`AWS_ACCESS_KEY_ID\`, \`AWS_SECRET_ACCESS_KEY\`, \`AWS_SESSION_TOKEN\`, \`AWS_PROFILE\`, \`AWS_REGION\` | the AWS SDK, for stores of type \`s3\` (its whole chain of credentials is used) |
| \`PGUSER\` | the database's user, where the URL names none |
| \`NO_COLOR\` | the output of every command |
| \`NODE_EXTRA_CA_CERTS\`, \`NODE_OPTIONS\`, \`NODE_DISABLE_COMPILE_CACHE\` | Node.js |

Stores, jobs and workflows are not settings but part of the app module: [STEPS.md](STEPS.md), [ASSETS.md](ASSETS.md).`
