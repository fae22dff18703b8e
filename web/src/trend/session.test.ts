import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Signal, TrendAnswer } from '../api/types'
import { Hub } from '../live/hub'
import type { LiveSocket } from '../live/socket'
import type { Ask } from './history'
import { TrendSession } from './session'

const signal: Signal = {
  tag: 'a',
  description: '',
  unit: null,
  valueType: 'FLOAT',
  states: [],
  low: null,
  high: null,
  stepped: false,
  source: null,
  staleAfterMs: 5000,
  last: null,
}
const deaf: LiveSocket = {
  link: () => ({ kind: 'live', roundTripMs: 1 }),
  onLink: () => () => {},
  subscribe: () => () => {},
  close: () => {},
}
const nowMs = 2_000_000_000
const nowS = nowMs / 1000

function answer(times: number[]): TrendAnswer {
  const values = times.map((t) => t - nowS)
  const severities = times.map(() => 0)
  return { sequence: '1', pens: [{ tag: 'a', times, values, texts: null, severities }] }
}

let hub: Hub
let session: TrendSession
let ask: ReturnType<typeof vi.fn<Ask>>

function live(seconds: number, over: { snapshot?: boolean; skipped?: number } = {}) {
  hub.take({
    snapshot: false,
    skipped: 0,
    sequence: '2',
    sentAt: nowS,
    tags: ['a'],
    times: [seconds],
    values: [seconds - nowS],
    texts: [null],
    qualities: [0],
    ...over,
  })
}
const held = () => {
  const columns = session.pens[0]?.columns
  return columns ? [...columns.times.subarray(0, columns.length)].map((t) => t / 1000 - nowS) : []
}

beforeEach(() => {
  vi.useFakeTimers({ now: nowMs })
  hub = new Hub(deaf)
  ask = vi.fn<Ask>(async () => answer([nowS - 3, nowS - 2, nowS - 1]))
  session = new TrendSession(hub, { kind: 'live', spanMs: 900_000 }, ask)
})

afterEach(() => {
  session.close()
  hub.close()
  vi.useRealTimers()
})

test('history comes first, live samples go on behind it, nothing twice', async () => {
  session.setSignals([signal])
  live(nowS - 2)
  live(nowS - 1)
  live(nowS - 0.5)
  await vi.advanceTimersByTimeAsync(100)
  expect(held()).toEqual([-3, -2, -1, -0.5])
  live(nowS)
  expect(held()).toEqual([-3, -2, -1, -0.5, 0])
})

test('asks for the pixels of the window, with the time before it', async () => {
  session.setPixels(1000)
  session.setSignals([signal])
  await vi.advanceTimersByTimeAsync(100)
  const [tags, window, width] = ask.mock.calls[0] ?? []
  expect(tags).toEqual(['a'])
  expect(window?.from).toBeLessThan(nowMs - 900_000)
  expect(width).toBe(1120)
})

test('zooming in asks again at the finer resolution; the old picture stays until then', async () => {
  session.setSignals([signal])
  await vi.advanceTimersByTimeAsync(100)
  session.zoomBy(0.1)
  expect(held()).toEqual([-3, -2, -1])
  await vi.advanceTimersByTimeAsync(100)
  expect(ask).toHaveBeenCalledTimes(2)
})

test('a question that is overtaken is aborted and its answer not taken', async () => {
  ask.mockImplementationOnce(() => new Promise((resolve) => setTimeout(() => resolve(answer([1])), 5000)))
  session.setSignals([signal])
  await vi.advanceTimersByTimeAsync(100)
  session.setRange({ kind: 'live', spanMs: 3_600_000 })
  await vi.advanceTimersByTimeAsync(100)
  expect(ask.mock.calls[0]?.[3].aborted).toBe(true)
  await vi.advanceTimersByTimeAsync(6000)
  expect(held()).toEqual([-3, -2, -1])
})

test('painting does not ask a slow question again', async () => {
  ask.mockImplementation(() => new Promise((resolve) => setTimeout(() => resolve(answer([nowS - 1])), 3000)))
  session.setSignals([signal])
  for (let i = 0; i < 35; i += 1) {
    await vi.advanceTimersByTimeAsync(100)
    session.check()
  }
  expect(ask).toHaveBeenCalledTimes(1)
  expect(held()).toEqual([-1])
})

test('a hole during a slow question is asked for once the answer is here', async () => {
  ask.mockImplementation(() => new Promise((resolve) => setTimeout(() => resolve(answer([nowS - 1])), 3000)))
  session.setSignals([signal])
  await vi.advanceTimersByTimeAsync(1000)
  for (let i = 1; i < 5; i += 1) live(nowS + i, { skipped: 1 })
  await vi.advanceTimersByTimeAsync(3000)
  expect(ask).toHaveBeenCalledTimes(2)
  expect(ask.mock.calls[0]?.[3].aborted).toBe(false)
})

test('in the past, live samples are kept apart until now is in reach again', async () => {
  ask.mockImplementationOnce(async () => answer([nowS - 90_000]))
  session.setRange({ kind: 'fixed', from: nowMs - 90_100_000, to: nowMs - 90_000_000 })
  session.setSignals([signal])
  await vi.advanceTimersByTimeAsync(100)
  live(nowS)
  expect(held()).toEqual([-90_000])
  session.follow()
  await vi.advanceTimersByTimeAsync(100)
  expect(held()).toEqual([-3, -2, -1, 0])
})

test.each([
  ['a skip', { skipped: 4 }],
  ['a new link', { snapshot: true }],
])('after %s the history is asked for again', async (_, over) => {
  session.setSignals([signal])
  await vi.advanceTimersByTimeAsync(100)
  expect(ask).toHaveBeenCalledTimes(1)
  live(nowS, over)
  await vi.advanceTimersByTimeAsync(400)
  expect(ask).toHaveBeenCalledTimes(2)
})

test('a failed question says so and is asked again', async () => {
  ask.mockRejectedValueOnce(new Error('The server cannot be reached.'))
  session.setSignals([signal])
  await vi.advanceTimersByTimeAsync(100)
  expect(session.snapshot().error).toBe('The server cannot be reached.')
  await vi.advanceTimersByTimeAsync(4000)
  expect(session.snapshot().error).toBeNull()
  expect(held()).toEqual([-3, -2, -1])
})

test('a gesture is told once it has come to rest', async () => {
  const settled = vi.fn()
  session.onSettled(settled)
  session.panBy(-1000)
  session.panBy(-1000)
  expect(session.range.kind).toBe('fixed')
  await vi.advanceTimersByTimeAsync(1000)
  expect(settled).toHaveBeenCalledTimes(1)
  session.togglePause()
  expect(session.range).toEqual({ kind: 'live', spanMs: 900_000 })
})
