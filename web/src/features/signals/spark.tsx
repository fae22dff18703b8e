// The last ten minutes of a number in a thumbnail. It shows the shape only; the trend shows the truth.
import { useEffect, useRef } from 'react'
import { trendDocument } from '../../api/operations'
import { request } from '../../api/request'
import type { Signal } from '../../api/types'
import { shapeOf } from '../../live/present'
import type { Hub } from '../../live/hub'
import type { Ring } from '../../live/ring'
import { useHub, useSink } from '../../live/use-live'
import { onTheme, resolveTokens } from '../../ui/theme'

const spanMs = 600_000
const capacity = 720
const spacingMs = spanMs / capacity
const askAgainMs = 30_000
const mostAtOnce = 50
const width = 112
const height = 22

let colours: { 'ink-3': string } | null = null
onTheme(() => {
  colours = null
})

export function Spark({ signal }: { signal: Signal }) {
  const hub = useHub()
  const canvas = useRef<HTMLCanvasElement>(null)
  const drawn = shapeOf(signal) !== 'text'
  useSink(drawn ? [signal.tag] : [], 500, (now) => {
    if (canvas.current && drawn) draw(canvas.current, ringOf(hub, signal.tag), now, signal.stepped)
  })
  return drawn ? <canvas ref={canvas} className="spark" aria-hidden="true" /> : null
}

function ringOf(hub: Hub, tag: string): Ring {
  return hub.ring(tag, capacity, spacingMs)
}

function draw(canvas: HTMLCanvasElement, ring: Ring, now: number, stepped: boolean): void {
  const scale = window.devicePixelRatio || 1
  const pixels = Math.round(width * scale)
  if (canvas.width !== pixels) {
    canvas.width = pixels
    canvas.height = Math.round(height * scale)
  }
  const context = canvas.getContext('2d')
  if (!context) return
  context.setTransform(scale, 0, 0, scale, 0, 0)
  context.clearRect(0, 0, width, height)
  const times = ring.times()
  const values = ring.values()
  // The last sample before the window tells where its line begins.
  const first = Math.max(0, times.findLastIndex((at) => at < now - spanMs))
  let low = Infinity
  let high = -Infinity
  for (const value of values.subarray(first)) {
    if (Number.isNaN(value)) continue
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  if (low > high) return
  const spread = high - low || 1
  const x = (t: number) => ((t - now + spanMs) / spanMs) * width
  const y = (v: number) => (high === low ? height / 2 : height - 3 - ((v - low) / spread) * (height - 6))
  colours ??= resolveTokens(['ink-3'])
  context.strokeStyle = colours['ink-3']
  context.lineWidth = 1.2
  context.beginPath()
  let pen = false
  let level = 0
  for (const [i, value] of values.subarray(first).entries()) {
    const at = times[first + i] ?? 0
    if (Number.isNaN(value)) {
      pen = false
      continue
    }
    if (!pen) context.moveTo(x(at), y(value))
    else {
      if (stepped) context.lineTo(x(at), level)
      context.lineTo(x(at), y(value))
    }
    level = y(value)
    pen = true
  }
  // What is good and has not changed since is what it was.
  if (pen) context.lineTo(width, level)
  context.stroke()
}

/** Fetches the ten minutes of the rows in sight that have none yet, many in one question. */
export function useSparkFill(signals: readonly Signal[]): void {
  const hub = useHub()
  const asked = useRef(new Map<string, number>())
  const key = signals
    .filter((signal) => shapeOf(signal) !== 'text')
    .map((signal) => signal.tag)
    .join('\n')
  useEffect(() => {
    const abort = new AbortController()
    const timer = setTimeout(() => void fill(hub, key.split('\n'), asked.current, abort.signal), 150)
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [hub, key])
}

async function fill(hub: Hub, tags: string[], asked: Map<string, number>, signal: AbortSignal): Promise<void> {
  const now = hub.now()
  const wanted = tags.filter((tag) => tag !== '' && now - (asked.get(tag) ?? 0) > askAgainMs).slice(0, mostAtOnce)
  if (wanted.length === 0) return
  try {
    const from = new Date(now - spanMs).toISOString()
    const to = new Date(now).toISOString()
    const { trend } = await request(trendDocument, { tags: wanted, from, to, width: width / 2 }, signal)
    for (const pen of trend.pens) {
      const times = pen.times.map((t) => t * 1000)
      const values = pen.values.map((v, i) => (pen.severities[i] === 2 ? null : v))
      ringOf(hub, pen.tag).refill(times, values)
    }
    for (const tag of wanted) asked.set(tag, now)
    await fill(hub, tags, asked, signal)
  } catch {
    // A thumbnail that is missing says nothing wrong; the next scroll asks again.
  }
}
