import { expect, test } from 'vitest'
import { decimalsFor, formatNumber, plural, sentence } from './format'
import { duration, stopwatch } from './time'
import { unitLabel } from './units'

test.each([
  [0, 100, 2],
  [0, 16, 2],
  [0, 300, 1],
  [0, 2000, 0],
  [-1, 1, 3],
  [0, 1e9, 0],
  [5, 5, null],
  [null, 10, null],
])('a range of %s to %s is shown with %s decimals', (low, high, decimals) => {
  expect(decimalsFor(low, high)).toBe(decimals)
})

test.each([
  [1234.5, 1, '1234.5'],
  [12345.678, 1, '12,345.7'],
  [-3.146, 2, '−3.15'],
  [0, 2, '0.00'],
  [0.000012, null, '1.200e-5'],
  [3.2e12, 2, '3.200e+12'],
  [NaN, 2, 'not a number'],
  [-Infinity, 2, '−∞'],
  [42, null, '42'],
  [0.5, null, '0.50000'],
])('%s with %s decimals is %s', (value, decimals, text) => {
  expect(formatNumber(value, decimals)).toBe(text)
})

test.each([
  ['name or password is not right', 'Name or password is not right.'],
  ['Is it on?', 'Is it on?'],
  ['', ''],
])('%s becomes a sentence', (text, said) => {
  expect(sentence(text)).toBe(said)
})

test.each([
  [900, '0 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [72_000, '1 min 12 s'],
  [3_600_000, '1 h'],
  [5_400_000, '1 h 30 min'],
  [90_000_000, '1 d 1 h'],
  [-5, '0 s'],
])('%s ms lasts %s', (ms, text) => {
  expect(duration(ms)).toBe(text)
})

test.each([
  [12_400, '00:12'],
  [3_727_000, '1:02:07'],
])('%s ms on the stopwatch is %s', (ms, text) => {
  expect(stopwatch(ms)).toBe(text)
})

test.each([
  ['Cel', '°C'],
  ['m3/h', 'm³/h'],
  ['kW.h', 'kWh'],
  ['[psi]', 'psi'],
  ['kg.m-3', 'kg·m⁻³'],
  ['%', '%'],
  [null, ''],
])('the unit %s is written %s', (ucum, label) => {
  expect(unitLabel(ucum)).toBe(label)
})

test('a count with its noun', () => {
  expect([plural(1, 'signal'), plural(0, 'signal'), plural(12_345, 'signal')]).toEqual([
    '1 signal',
    '0 signals',
    '12,345 signals',
  ])
})
