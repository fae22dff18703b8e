import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Hub } from './hub'
import type { Link, LiveSocket } from './socket'

type Batch = Parameters<Hub['take']>[0]

class FakeSocket implements LiveSocket {
  state: Link = { kind: 'live', roundTripMs: 1 }
  subscriptions: { tags: string[]; open: boolean; send: (batch: Batch) => void }[] = []
  private readonly listeners = new Set<() => void>()

  readonly link = () => this.state
  readonly onLink = (listener: () => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
  readonly subscribe: LiveSocket['subscribe'] = (_, variables, next) => {
    const made = {
      tags: variables()['tags'] as string[],
      open: true,
      send: (samples: Batch) => next({ samples } as Parameters<typeof next>[0]),
    }
    this.subscriptions.push(made)
    return () => {
      made.open = false
    }
  }
  readonly close = () => {}
}

const batch = (tags: string[], seconds: number, over: Partial<Batch> = {}): Batch => ({
  snapshot: false,
  sequence: '1',
  sentAt: seconds,
  skipped: 0,
  tags,
  times: tags.map(() => seconds),
  values: tags.map((_, i) => i),
  texts: tags.map(() => null),
  qualities: tags.map(() => 0),
  ...over,
})

let socket: FakeSocket
let hub: Hub

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000, toFake: ['setTimeout', 'setInterval', 'requestAnimationFrame', 'performance', 'Date', 'clearTimeout', 'clearInterval', 'cancelAnimationFrame'] })
  socket = new FakeSocket()
  hub = new Hub(socket)
})

afterEach(() => {
  hub.close()
  vi.useRealTimers()
})

test('many watchers share one subscription', () => {
  hub.watch({ tags: ['a', 'b'] })
  hub.watch({ tags: ['b', 'c'] })
  vi.advanceTimersByTime(100)
  expect(socket.subscriptions.map((s) => s.tags)).toEqual([['a', 'b', 'c']])
})

test('a larger set takes over only when its snapshot is here', () => {
  hub.watch({ tags: ['a'] })
  vi.advanceTimersByTime(100)
  hub.watch({ tags: ['b'] })
  vi.advanceTimersByTime(100)
  const [first, second] = socket.subscriptions
  expect([first?.open, second?.open]).toEqual([true, true])
  second?.send(batch(['a', 'b'], 1000, { snapshot: true }))
  expect([first?.open, second?.open]).toEqual([false, true])
})

test('a smaller set keeps the subscription, no set ends it', () => {
  const off = hub.watch({ tags: ['a'] })
  const offB = hub.watch({ tags: ['b'] })
  vi.advanceTimersByTime(100)
  offB()
  vi.advanceTimersByTime(100)
  expect(socket.subscriptions).toHaveLength(1)
  off()
  vi.advanceTimersByTime(100)
  expect(socket.subscriptions[0]?.open).toBe(false)
})

test('sinks paint at most once in their time, and each second even without messages', () => {
  const paint = vi.fn()
  hub.addSink({ tags: ['a'], everyMs: 100, paint })
  vi.advanceTimersByTime(50)
  expect(paint).toHaveBeenCalledTimes(1)
  for (let i = 1; i <= 10; i += 1) hub.take(batch(['a'], 1000 + i / 100))
  vi.advanceTimersByTime(200)
  expect(paint).toHaveBeenCalledTimes(2)
  vi.advanceTimersByTime(5000)
  expect(paint.mock.calls.length).toBeGreaterThanOrEqual(6)
})

test('a late sample does not replace the last value but makes a hole known', () => {
  const onHole = vi.fn()
  const onSample = vi.fn()
  hub.watch({ tags: ['a'], onHole, onSample })
  hub.take(batch(['a'], 1000))
  expect(onHole).not.toHaveBeenCalled()
  hub.take(batch(['a'], 990))
  expect(hub.last('a')?.timeMs).toBe(1_000_000)
  expect(onHole).toHaveBeenCalledTimes(1)
  expect(onSample).toHaveBeenCalledTimes(1)
})

test.each([
  ['a snapshot', { snapshot: true }],
  ['a skip', { skipped: 3 }],
])('%s asks for history anew', (_, over) => {
  const onHole = vi.fn()
  hub.watch({ tags: ['a'], onHole })
  hub.take(batch(['a'], 1000, over))
  expect(onHole).toHaveBeenCalledTimes(1)
})

test('ages are reckoned with the clock of the server', () => {
  hub.take(batch(['a'], 1500, { snapshot: true }))
  expect(hub.now()).toBe(1_500_000)
  vi.advanceTimersByTime(2000)
  expect(hub.now()).toBe(1_502_000)
})

test('a seed gives way to what is newer', () => {
  hub.take(batch(['a'], 1000))
  hub.seed('a', { timeMs: 999_000, value: 42, text: null, quality: 0 })
  expect(hub.last('a')?.value).toBe(0)
  hub.seed('b', { timeMs: 999_000, value: 42, text: null, quality: 0x8005_0000 })
  expect(hub.last('b')).toMatchObject({ value: 42, severity: 2 })
})
