/** Workflows that share the runs evenly, `bench-00` and on. */
export const workflows = 20
export const slugOf = (index: number): string => `bench-${String(index).padStart(2, "0")}`

/** Three steps; the second fails for good when the run's parameters say so. */
export const definition = {
  steps: [
    { id: "a", jobSlug: "trivial" },
    { id: "b", jobSlug: "moody", dependsOn: ["a"] },
    { id: "c", jobSlug: "trivial", dependsOn: ["b"] }
  ].map((step) => ({ ...step, retryPolicy: { maxAttempts: 1, strategy: "none" as const } }))
}

/** The workflow of runs that go on for ever. */
export const napSlug = "nap"
