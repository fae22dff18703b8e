import { expect, test } from 'vitest'
import { calmRange, niceRange } from './y-range'

test.each([
  [0, 100],
  [10.4, 12.1],
  [-3, -2.99],
  [5, 5],
  [0, 0],
  [-1e9, 1e9],
])('the range for %s to %s holds the data with air around it', (low, high) => {
  const [a, b] = niceRange(low, high)
  expect(a).toBeLessThan(low)
  expect(b).toBeGreaterThan(high)
  expect(b - a).toBeLessThanOrEqual(Math.max((high - low) * 1.6, Math.abs(high) * 0.5, 4))
})

test('no data is zero to one', () => {
  expect(niceRange(Infinity, -Infinity)).toEqual([0, 1])
})

test('a range stays while the data fits and fills it', () => {
  const held = niceRange(10, 20)
  expect(calmRange(held, 10.5, 19)).toBe(held)
  expect(calmRange(held, 10.5, 25)).not.toBe(held)
  expect(calmRange(held, 14, 15)).not.toBe(held)
})
