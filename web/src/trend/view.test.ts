import { expect, test } from 'vitest'
import { parseSearch, stringifySearch } from '../lib/search-params'
import { formatView, parseView, type TrendView } from './view'

test('an address becomes a view, doubles and blanks left out', () => {
  const view = parseView(parseSearch('?tags=boiler/steam/flow,%20hall/co2,,hall/co2&range=1h&mode=overlay'))
  expect(view).toEqual({
    tags: ['boiler/steam/flow', 'hall/co2'],
    range: { kind: 'live', spanMs: 3_600_000 },
    mode: 'overlay',
    scale: 'auto',
    table: false,
  })
})

test('an empty address is a live quarter of an hour without signals', () => {
  expect(parseView({})).toEqual({
    tags: [],
    range: { kind: 'live', spanMs: 900_000 },
    mode: 'lanes',
    scale: 'auto',
    table: false,
  })
})

test('a view survives the address bar, which stays legible', () => {
  const view: TrendView = {
    tags: ['boiler/steam/flow', 'halle 2/öl & gas'],
    range: { kind: 'fixed', from: Date.UTC(2026, 10, 25, 6), to: Date.UTC(2026, 10, 25, 14, 30) },
    mode: 'lanes',
    scale: 'full',
    table: true,
  }
  const address = stringifySearch(formatView(view))
  expect(address).toContain('tags=boiler/steam/flow,')
  expect(address).toContain('from=2026-11-25T06:00:00Z')
  expect(parseView(parseSearch(address))).toEqual(view)
})
