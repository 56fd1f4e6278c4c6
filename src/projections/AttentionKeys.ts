/** The rows that there are, by id and by what settles them from elsewhere: most events concern none of them. */
export interface AttentionKeys {
  readonly size: () => number
  readonly has: (id: string) => boolean
  readonly ofSubject: (subject: string) => Iterable<string>
  readonly put: (id: string, subject: string | null) => void
  readonly remove: (id: string) => void
}

export const make = (rows: ReadonlyArray<{ readonly id: string; readonly subject: string | null }>): AttentionKeys => {
  const subjects = new Map<string, string | null>()
  const ids = new Map<string, Set<string>>()

  const remove = (id: string) => {
    const subject = subjects.get(id) ?? null
    subjects.delete(id)
    if (subject === null) return
    const others = ids.get(subject)
    others?.delete(id)
    if (others?.size === 0) ids.delete(subject)
  }
  const put = (id: string, subject: string | null) => {
    remove(id)
    subjects.set(id, subject)
    if (subject !== null) ids.set(subject, (ids.get(subject) ?? new Set()).add(id))
  }
  for (const { id, subject } of rows) put(id, subject)
  return {
    size: () => subjects.size,
    has: (id) => subjects.has(id),
    ofSubject: (subject) => ids.get(subject) ?? [],
    put,
    remove
  }
}
