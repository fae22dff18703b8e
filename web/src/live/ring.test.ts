import { expect, test } from 'vitest'
import { Ring } from './ring'

test('keeps the newest samples in order, however many are pushed', () => {
  const ring = new Ring(4)
  for (let i = 1; i <= 23; i += 1) ring.push(i, i * 10)
  expect([...ring.times()]).toEqual([20, 21, 22, 23])
  expect([...ring.values()]).toEqual([200, 210, 220, 230])
  expect(ring.lastTime()).toBe(23)
})

test('refuses a sample that is not newer', () => {
  const ring = new Ring(4)
  expect(ring.push(5, 1)).toBe(true)
  expect(ring.push(5, 2)).toBe(false)
  expect(ring.push(4, 2)).toBe(false)
  expect(ring.length).toBe(1)
})

test('a refill replaces the past and keeps what came after its end', () => {
  const ring = new Ring(6)
  for (const t of [4, 10, 11]) ring.push(t, t)
  ring.refill([7, 8, 9, 10], [70, null, 90, 100])
  expect([...ring.times()]).toEqual([7, 8, 9, 10, 11])
  expect([...ring.values()]).toEqual([70, NaN, 90, 100, 11])
})

test('a spacing thins what comes too fast', () => {
  const ring = new Ring(10, 100)
  for (const t of [0, 50, 100, 140, 210]) ring.push(t, t)
  expect([...ring.times()]).toEqual([0, 100, 210])
})

test('is empty to begin with', () => {
  const ring = new Ring(2)
  expect(ring.length).toBe(0)
  expect(ring.lastTime()).toBeNaN()
})
