/** A directed graph: nodes are 0 to n-1, `edges[node]` are those that leave it. */
export type Graph<Edge extends { readonly to: number }> = ReadonlyArray<ReadonlyArray<Edge>>

/**
 * The strongly connected component of each node, as a number: two nodes have the same if each can reach the other
 * (Tarjan 1972, without recursion; linear).
 */
export const components = (graph: Graph<{ readonly to: number }>): ReadonlyArray<number> => {
  const component = new Array<number>(graph.length).fill(-1)
  const index = new Array<number>(graph.length).fill(-1)
  const low = new Array<number>(graph.length).fill(0)
  const open: Array<number> = []
  let visited = 0
  let count = 0
  for (let root = 0; root < graph.length; root++) {
    const path = index[root] === -1 ? [{ node: root, next: 0 }] : []
    while (path.length > 0) {
      const current = path[path.length - 1]!
      const { node } = current
      if (current.next === 0) {
        index[node] = low[node] = visited++
        open.push(node)
      }
      const to = graph[node]![current.next++]?.to
      if (to !== undefined) {
        if (index[to] === -1) path.push({ node: to, next: 0 })
        else if (component[to] === -1) low[node] = Math.min(low[node]!, index[to]!)
        continue
      }
      path.pop()
      const parent = path[path.length - 1]?.node
      if (parent !== undefined) low[parent] = Math.min(low[parent]!, low[node]!)
      if (low[node] === index[node]) {
        while (component[node] === -1) component[open.pop()!] = count
        count++
      }
    }
  }
  return component
}

/** The edges of a shortest way that leaves `from` and arrives at `to` through nodes that `isOpen`, or undefined. */
export const shortestWay = <Edge extends { readonly to: number }>(
  graph: Graph<Edge>,
  from: number,
  to: number,
  isOpen: (node: number) => boolean
): ReadonlyArray<Edge> | undefined => {
  const cameBy = new Map<number, { readonly edge: Edge; readonly from: number }>()
  const queue = [from]
  for (let at = 0; at < queue.length && !cameBy.has(to); at++) {
    const node = queue[at]!
    for (const edge of graph[node]!) {
      if (!isOpen(edge.to) || cameBy.has(edge.to)) continue
      cameBy.set(edge.to, { edge, from: node })
      queue.push(edge.to)
    }
  }
  const way: Array<Edge> = []
  let node = to
  do {
    const came = cameBy.get(node)
    if (came === undefined) return undefined
    way.push(came.edge)
    node = came.from
  } while (node !== from)
  return way.reverse()
}
