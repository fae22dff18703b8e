import { expect, test } from 'vitest'
import { severityOf } from '../lib/quality'
import type { LiveValue } from './hub'
import { say, sayValue } from './present'

const number = { valueType: 'FLOAT' as const, states: [], low: 0, high: 16, staleAfterMs: 5000 }
const last = (over: Partial<LiveValue> = {}): LiveValue => {
  const quality = over.quality ?? 0
  return { timeMs: 100_000, value: 11.204, text: null, quality, severity: severityOf(quality), ...over }
}

test.each([
  [number, 11.204, null, '11.20'],
  [number, -0.5, null, '−0.50'],
  [number, null, null, '–'],
  [{ ...number, low: null, high: null }, 1234.5, null, '1234.5'],
  [{ ...number, low: null, high: null }, 0.00001234, null, '1.234e-5'],
  [{ ...number, valueType: 'INT' as const }, 12345678, null, '12,345,678'],
  [{ ...number, valueType: 'BOOL' as const }, 1, null, 'On'],
  [{ ...number, valueType: 'BOOL' as const }, 0, null, 'Off'],
  [{ ...number, valueType: 'INT' as const, states: [{ number: 2, name: 'Purge' }] }, 2, null, 'Purge'],
  [{ ...number, valueType: 'INT' as const, states: [{ number: 2, name: 'Purge' }] }, 7, null, '7'],
  [{ ...number, valueType: 'TEXT' as const }, null, 'B-2291', 'B-2291'],
])('case %#: the value is said as it should', (signal, value, text, said) => {
  expect(sayValue(signal, value, text)).toBe(said)
})

test.each([
  [last(), 101_000, false, 'good', 'Good'],
  [last({ quality: 0x4093_0000 }), 101_000, false, 'uncertain', 'Uncertain: sensor not accurate'],
  [last({ quality: 0x8005_0000, value: null }), 101_000, false, 'bad', 'Bad: communication error'],
  [last(), 172_000, false, 'stale', 'Stale 1 min 12 s'],
  [last(), 101_000, true, 'stale', 'Stale 1 s'],
  [undefined, 101_000, false, 'none', 'No value yet'],
])('case %#: the quality is said in words', (value, now, lost, state, quality) => {
  expect(say(number, value, now, lost)).toMatchObject({ state, quality })
})
