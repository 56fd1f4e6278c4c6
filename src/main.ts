import "./cli/Heap.ts"
import { enableCompileCache } from "node:module"

// Compiled modules are kept between starts, in the system's temporary folder: two thirds of the time to load them all.
// So what is loaded is loaded after this line. NODE_DISABLE_COMPILE_CACHE=1 does without.
enableCompileCache()
await import("./cli/Main.ts")
