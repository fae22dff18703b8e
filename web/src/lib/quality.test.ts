import { expect, test } from 'vitest'
import { classify, reasonOf, severityOf, type QualityState, type Severity } from './quality'

const table: [Severity | null, number, number | null, boolean, QualityState][] = [
  // severity, age, stale after, link lost, expected
  [null, 0, null, false, 'none'],
  [null, 9e9, 5000, true, 'none'],
  [0, 0, 5000, false, 'good'],
  [0, 5000, 5000, false, 'good'],
  [0, 5001, 5000, false, 'stale'],
  [0, 9e12, null, false, 'good'],
  [0, -2000, 5000, false, 'good'],
  [0, 0, null, true, 'stale'],
  [1, 0, 5000, false, 'uncertain'],
  [1, 9000, 5000, false, 'stale'],
  [1, 9000, null, false, 'uncertain'],
  [2, 0, 5000, false, 'bad'],
  [2, 9000, 5000, false, 'bad'],
  [2, 0, null, true, 'bad'],
]

test.each(table)('severity %s, age %s, stale after %s, link lost %s is %s', (s, age, after, lost, state) => {
  expect(classify(s, age, after, lost)).toBe(state)
})

test.each([
  [0, 0],
  [0x0096_0000, 0],
  [0x4000_0000, 1],
  [0x4093_0000, 1],
  [0x8000_0000, 2],
  [0x8005_0000, 2],
  [0xffff_ffff, 2],
])('status code %s has severity %s', (code, severity) => {
  expect(severityOf(code)).toBe(severity)
})

test('a reason is found whatever the flags in the lower half are', () => {
  expect(reasonOf(0x8005_0400)).toBe('communication error')
  expect(reasonOf(0x8000_0000)).toBe('')
})
