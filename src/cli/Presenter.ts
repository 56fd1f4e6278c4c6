import { Console, type Effect } from "effect"
import { CliOutput } from "effect/cli"

/** A wrong command or flag is one line on stderr with the way to the help; help and version go to stdout. */
export const presenter: CliOutput.Presenter = {
  present: (event): Effect.Effect<void> => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    const faults = event.errors.map(({ message }) => message.replace(/\s*\n\s*/g, " ").trim()).join("; ")
    return Console.error(`kintsugi: ${faults} (see ${event.commandPath.join(" ")} --help)`)
  }
}
