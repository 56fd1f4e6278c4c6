import { createHash } from "node:crypto"
import { Html } from "./Html.ts"

const css = `
:root { color-scheme: light dark; --ground: #f6f5f2; --card: #fff; --ink: #1d1c1a; --soft: #6a665e; --line: #e2dfd8;
  --gold: #9a6b00; --critical: #b3261e; --error: #b4520a; --warning: #7a6200; --fine: #2c6e49; --code: #f0eee8 }
@media (prefers-color-scheme: dark) { :root { --ground: #161513; --card: #201f1c; --ink: #ecebe6; --soft: #a29d92;
  --line: #37342e; --gold: #e2b04a; --critical: #ff8a80; --error: #ffb070; --warning: #e6cf6a; --fine: #7fd6a4;
  --code: #2a2824 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
header, main, footer { max-width: 70rem; margin: 0 auto; padding: 0 1rem }
header { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1rem; padding-top: 1rem }
header h1 { font-size: 1.1rem; margin: 0; color: var(--gold) }
header p { margin: 0; color: var(--soft); font-size: .875rem; flex: 1 1 12rem }
h2 { font-size: 1rem; margin: 2rem 0 .5rem; display: flex; gap: .5rem; align-items: baseline }
h2 small { color: var(--soft); font-weight: normal }
.state { font-size: 1.5rem; font-weight: 600; margin: 1rem 0 .25rem }
.state.fine { color: var(--fine) } .state.critical { color: var(--critical) }
.state.error { color: var(--error) } .state.warning { color: var(--warning) }
.soft { color: var(--soft) } .small { font-size: .875rem }
article { background: var(--card); border: 1px solid var(--line); border-left: .35rem solid var(--soft); border-radius: .4rem;
  padding: .75rem 1rem; margin: .75rem 0 }
article.critical { border-left-color: var(--critical) } article.error { border-left-color: var(--error) }
article.warning { border-left-color: var(--warning) }
article h3 { font-size: 1rem; margin: 0; display: flex; flex-wrap: wrap; gap: .1rem .6rem; align-items: baseline }
.badge { font-size: .75rem; font-weight: 700; text-transform: uppercase; letter-spacing: .04em }
.badge.critical, .bad { color: var(--critical) } .badge.error { color: var(--error) } .badge.warning { color: var(--warning) }
.good { color: var(--fine) }
article p { margin: .35rem 0; overflow-wrap: anywhere }
code { font: .875rem/1.4 ui-monospace, monospace }
.command { display: block; background: var(--code); border-radius: .3rem; padding: .5rem .7rem; margin: .4rem 0 0;
  overflow-x: auto; white-space: pre; user-select: all; -webkit-user-select: all }
.command.request { background: none; padding: .1rem .7rem 0; color: var(--soft) }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); gap: .5rem; margin: .75rem 0 0; padding: 0 }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .75rem }
.figures dt { color: var(--soft); font-size: .8rem } .figures dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: .4rem }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
th, td { text-align: left; padding: .45rem .75rem; border-top: 1px solid var(--line); vertical-align: top }
tr:first-child th { border-top: 0 } th { color: var(--soft); font-weight: 500; font-size: .8rem; white-space: nowrap }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap } td { overflow-wrap: anywhere; min-width: 5rem }
td code { user-select: all; -webkit-user-select: all; white-space: nowrap } td span { white-space: nowrap }
td:first-child { min-width: 9rem } h3 .soft { font-weight: normal }
@media (max-width: 40rem) {
  .scroll { border: 0; background: none } table, tbody, tr, td { display: block; width: 100% } tr:has(th) { display: none }
  tr { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; padding: .35rem 0 }
  td code { white-space: normal; overflow-wrap: anywhere }
  td { border: 0; padding: .15rem .75rem; display: flex; gap: .75rem } td::before { content: attr(data-name);
  color: var(--soft); flex: 0 0 6rem; font-size: .8rem } td:empty { display: none } }
button, input { font: inherit; padding: .5rem .9rem; border-radius: .4rem; border: 1px solid var(--line); background: var(--card);
  color: var(--ink) }
button { cursor: pointer } button.main { background: var(--gold); border-color: var(--gold); color: var(--ground); font-weight: 600 }
:focus-visible { outline: 3px solid var(--gold); outline-offset: 2px }
.login { max-width: 24rem; margin: 12vh auto 0; padding: 0 1rem } .login form { display: grid; gap: .75rem }
.login label { font-weight: 600 } details { margin: .5rem 0 } summary { cursor: pointer; color: var(--soft) }
footer { padding: 2rem 1rem; color: var(--soft); font-size: .8rem }
`

export const style = new Html(`<style>${css}</style>`)

/** The page loads nothing and runs nothing; its one style is known by its hash. */
export const contentSecurityPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(css).digest("base64")}'`,
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'"
].join("; ")
