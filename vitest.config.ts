import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Real databases, child processes and stores share two cores and mostly wait: few files at once, generous limits.
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Real processes, disks and time-outs meet other people's load there; whatever needed its second try says so.
    retry: process.env.CI === undefined ? 0 : 1,
    pool: "forks"
  }
})
