// A trend as the address bar holds it: which signals, which time, drawn how.
import { formatRange, parseRange, type Range } from './range'

export type TrendView = {
  tags: string[]
  range: Range
  mode: 'lanes' | 'overlay'
  /** `auto` follows the data in sight, `full` shows the range that the signal is defined with. */
  scale: 'auto' | 'full'
  table: boolean
}

export type TrendSearch = {
  tags?: string
  range?: string
  from?: string
  to?: string
  mode?: string
  scale?: string
  view?: string
}

export const mostPens = 16

export function parseView(search: TrendSearch): TrendView {
  const tags = (search.tags ?? '')
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')
  return {
    tags: [...new Set(tags)].slice(0, mostPens),
    range: parseRange(search),
    mode: search.mode === 'overlay' ? 'overlay' : 'lanes',
    scale: search.scale === 'full' ? 'full' : 'auto',
    table: search.view === 'table',
  }
}

/** What is as usual is left out, so that links stay short. */
export function formatView(view: TrendView): TrendSearch {
  return {
    ...(view.tags.length > 0 ? { tags: view.tags.join(',') } : {}),
    ...formatRange(view.range),
    ...(view.mode === 'overlay' ? { mode: view.mode } : {}),
    ...(view.scale === 'full' ? { scale: view.scale } : {}),
    ...(view.table ? { view: 'table' } : {}),
  }
}
