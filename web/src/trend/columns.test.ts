import { expect, test } from 'vitest'
import type { PenColumns } from '../api/types'
import { append, emptyColumns, fromAnswer, joinRows, joinTail, readAt, visible, type Columns } from './columns'

const answer = (over: Partial<PenColumns> = {}): PenColumns => ({
  tag: 'a',
  times: [1, 2, 3],
  values: [10, null, 30],
  texts: null,
  severities: [0, 2, 1],
  ...over,
})
const tail = (timeMs: number, value: number, severity = 0) => ({ timeMs, value, severity, text: null })
const times = (c: Columns) => [...c.times.subarray(0, c.length)]
const values = (c: Columns) => [...c.values.subarray(0, c.length)]

test('an answer becomes columns in milliseconds, bad ones without a number', () => {
  const columns = fromAnswer(answer({ values: [10, 99, 30] }))
  expect(times(columns)).toEqual([1000, 2000, 3000])
  expect(values(columns)).toEqual([10, NaN, 30])
})

test('the live tail goes on where history ends, without a seam and without doubles', () => {
  const columns = joinTail(fromAnswer(answer()), [tail(2000, 1), tail(3000, 1), tail(3500, 35), tail(4000, 40)])
  expect(times(columns)).toEqual([1000, 2000, 3000, 3500, 4000])
  expect(values(columns)).toEqual([10, NaN, 30, 35, 40])
})

test('appending grows, and refuses what is not newer', () => {
  const columns = emptyColumns(1)
  for (let i = 1; i <= 300; i += 1) expect(append(columns, tail(i, i))).toBe(true)
  expect(append(columns, tail(300, 0))).toBe(false)
  expect(columns.length).toBe(300)
  expect(columns.values[299]).toBe(300)
})

test('a bad live sample has no number, a text keeps its text', () => {
  const columns = emptyColumns()
  append(columns, tail(1, 5, 2))
  append(columns, { timeMs: 2, value: NaN, severity: 0, text: 'B-2291' })
  expect(values(columns)).toEqual([NaN, NaN])
  expect(columns.texts).toEqual([null, 'B-2291'])
})

test.each([
  [1500, 2500, 0, 2],
  [1000, 3000, 0, 2],
  [0, 900, 0, 0],
  [3500, 9000, 2, 2],
])('from %s to %s the samples %s to %s are drawn', (from, to, first, last) => {
  expect(visible(fromAnswer(answer()), from, to)).toEqual([first, last])
})

test('reading between samples follows the line or the step, and never crosses a gap', () => {
  const columns = fromAnswer(answer({ times: [1, 2, 3, 4], values: [10, 20, null, 40], severities: [0, 0, 2, 0] }))
  expect(readAt(columns, 1500, false)?.value).toBe(15)
  expect(readAt(columns, 1500, true)?.value).toBe(10)
  expect(readAt(columns, 2500, false)?.value).toBe(20)
  expect(readAt(columns, 3500, false)).toMatchObject({ value: null, severity: 2 })
  expect(readAt(columns, 900, false)).toBeNull()
})

test('rows of several pens are joined by time, newest first', () => {
  const a = fromAnswer(answer())
  const b = fromAnswer(answer({ times: [2, 2.5, 4], severities: [0, 0, 0] }))
  expect(joinRows([a, b], 1500, 3000, 10)).toEqual([
    { timeMs: 3000, indexes: [2, -1] },
    { timeMs: 2500, indexes: [-1, 1] },
    { timeMs: 2000, indexes: [1, 0] },
  ])
  expect(joinRows([a, b], 0, 9000, 2)).toHaveLength(2)
  expect(joinRows([], 0, 9000, 2)).toEqual([])
})
