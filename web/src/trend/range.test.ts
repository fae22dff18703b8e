import { expect, test } from 'vitest'
import { formatRange, formatSpan, pan, parseRange, parseSpan, windowOf, zoom, type Range } from './range'

test.each([
  ['90s', 90_000],
  ['15m', 900_000],
  ['8h', 28_800_000],
  ['30d', 2_592_000_000],
  ['0m', null],
  ['15', null],
  ['-5m', null],
  ['1.5h', null],
  ['99999d', null],
  ['', null],
])('the span %s is %s', (text, ms) => {
  expect(parseSpan(text)).toBe(ms)
})

test.each([
  [900_000, '15m'],
  [5_400_000, '90m'],
  [86_400_000, '1d'],
  [61_234, '61s'],
  [3, '1s'],
])('%s ms is written %s', (ms, text) => {
  expect(formatSpan(ms)).toBe(text)
})

const fixed: Range = { kind: 'fixed', from: Date.UTC(2026, 10, 25, 6), to: Date.UTC(2026, 10, 25, 7) }
const quarter: Range = { kind: 'live', spanMs: 900_000 }

test.each([
  [{}, quarter],
  [{ range: '1h' }, { kind: 'live', spanMs: 3_600_000 }],
  [{ range: 'soon' }, quarter],
  [{ from: '2026-11-25T06:00:00Z', to: '2026-11-25T07:00:00Z' }, fixed],
  [{ from: '2026-11-25T07:00:00+01:00', to: '2026-11-25T07:00:00Z' }, fixed],
  [{ range: '5m', from: '2026-11-25T06:00:00Z', to: '2026-11-25T07:00:00Z' }, fixed],
  [{ from: '2026-11-25T07:00:00Z', to: '2026-11-25T06:00:00Z' }, quarter],
  [{ from: '2026-11-25T07:00:00Z' }, quarter],
])('the address %o means %o', (parts, range) => {
  expect(parseRange(parts)).toEqual(range)
})

test('a range survives being written and read', () => {
  for (const range of [fixed, quarter, { kind: 'live', spanMs: 61_000 } as const]) {
    expect(parseRange(formatRange(range))).toEqual(range)
  }
})

test('panning back leaves now, panning on to now follows it again', () => {
  const now = 1_000_000
  const back = pan({ from: 900_000, to: 1_000_000 }, -50_000, now)
  expect(back).toEqual({ kind: 'fixed', from: 850_000, to: 950_000 })
  expect(pan(windowOf(back, now), 60_000, now)).toEqual({ kind: 'live', spanMs: 100_000 })
})

test('zooming keeps the time under the pointer where it is', () => {
  const now = 10_000_000
  const range: Range = { kind: 'fixed', from: 1_000_000, to: 2_000_000 }
  expect(zoom(range, 0.5, 1_250_000, now)).toEqual({ kind: 'fixed', from: 1_125_000, to: 1_625_000 })
})

test('zooming at the live edge stays live, elsewhere it does not', () => {
  const now = 10_000_000
  const range: Range = { kind: 'live', spanMs: 1_000_000 }
  expect(zoom(range, 0.5, now, now)).toEqual({ kind: 'live', spanMs: 500_000 })
  expect(zoom(range, 0.5, now - 800_000, now).kind).toBe('fixed')
})

test('a span never becomes shorter than a second', () => {
  expect(zoom({ kind: 'live', spanMs: 1_500 }, 0.1, 5_000, 5_000)).toEqual({ kind: 'live', spanMs: 1_000 })
})
