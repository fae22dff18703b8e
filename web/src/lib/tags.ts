// A tag is a path such as boiler/steam/pressure. Pure helpers over such names.

export function leafOf(tag: string): string {
  return tag.slice(tag.lastIndexOf('/') + 1)
}

/** The path above the leaf; empty at the top. */
export function groupOf(tag: string): string {
  const cut = tag.lastIndexOf('/')
  return cut < 0 ? '' : tag.slice(0, cut)
}

export type GroupedRow<T> =
  | { kind: 'group'; path: string; count: number; open: boolean }
  | { kind: 'item'; item: T }

/** Items in their order under a heading for each path; those of closed groups are left out. */
export function groupByPath<T extends { tag: string }>(items: readonly T[], closed: ReadonlySet<string>): GroupedRow<T>[] {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const path = groupOf(item.tag)
    const group = groups.get(path)
    if (group) group.push(item)
    else groups.set(path, [item])
  }
  const rows: GroupedRow<T>[] = []
  for (const [path, members] of groups) {
    const open = !closed.has(path)
    rows.push({ kind: 'group', path, count: members.length, open })
    if (open) for (const item of members) rows.push({ kind: 'item', item })
  }
  return rows
}
