// One open trend: which pens, which time, following or not. History and live samples meet here.
// React reads its small status; the picture reads everything else when it paints.
import type { Signal } from '../api/types'
import type { Hub, LiveValue } from '../live/hub'
import { append, type TailSample } from './columns'
import { askServer, History, type Ask } from './history'
import { makePen, type Pen } from './pen'
import { pan, sameRange, windowOf, zoom, type Range, type Window } from './range'

export type TrendStatus = { following: boolean; loading: boolean; error: string | null; answers: number }

/** Moving the cursor leaves the lines as they are. */
type Painter = (what: 'all' | 'cursor') => void

const tailLength = 2_000
const settleMs = 350

export class TrendSession {
  readonly hub: Hub
  pens: Pen[] = []
  range: Range
  private readonly history: History
  private readonly listeners = new Set<() => void>()
  private readonly painters = new Set<Painter>()
  private cursorAt: number | null = null
  private status: TrendStatus = { following: true, loading: false, error: null, answers: 0 }
  private unwatch: (() => void) | undefined
  private settle: ReturnType<typeof setTimeout> | undefined
  private pixels = 800
  private onRange: ((range: Range) => void) | undefined

  constructor(hub: Hub, range: Range, ask: Ask = askServer) {
    this.hub = hub
    this.range = range
    this.history = new History(ask, () => this.changed())
  }

  close(): void {
    clearTimeout(this.settle)
    this.unwatch?.()
    this.history.close()
    this.listeners.clear()
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  readonly snapshot = (): TrendStatus => this.status

  /** Told when a gesture has come to rest, to be written into the address. */
  onSettled(listener: (range: Range) => void): void {
    this.onRange = listener
  }

  /** Whoever draws the session is told when there is something new to draw. */
  onRedraw(painter: Painter): () => void {
    this.painters.add(painter)
    return () => this.painters.delete(painter)
  }

  /** The moment under the cursor; null where there is none. */
  get cursor(): number | null {
    return this.cursorAt
  }

  setCursor(time: number | null): void {
    this.cursorAt = time
    this.redraw('cursor')
  }

  setSignals(signals: readonly Signal[]): void {
    const held = new Map(this.pens.map((pen) => [pen.signal.tag, pen]))
    this.pens = signals.map((signal, i) => {
      const pen = makePen(signal, i + 1)
      const before = held.get(signal.tag)
      return before ? { ...pen, columns: before.columns, tail: before.tail } : pen
    })
    const byTag = new Map(this.pens.map((pen) => [pen.signal.tag, pen]))
    this.history.setPens(this.pens)
    const unwatch = this.unwatch
    this.unwatch = this.hub.watch({
      tags: [...byTag.keys()],
      onSample: (tag, value) => this.take(byTag.get(tag), value),
      onHole: () => this.history.refresh(),
    })
    unwatch?.()
    this.changed()
    this.check()
  }

  setPixels(pixels: number): void {
    this.pixels = Math.max(50, Math.round(pixels))
    this.check()
  }

  /** From the address or from a button: shown at once and not written back. */
  setRange(range: Range): void {
    if (sameRange(range, this.range)) return
    clearTimeout(this.settle)
    this.show(range)
  }

  /** The range as it is this moment; a gesture that has not come to rest is taken as settled. */
  takeRange(): Range {
    clearTimeout(this.settle)
    return this.range
  }

  window(now: number = this.hub.now()): Window {
    return windowOf(this.range, now)
  }

  zoomBy(factor: number, anchor?: number): void {
    const now = this.hub.now()
    const { from, to } = this.window(now)
    const middle = this.range.kind === 'live' ? to : (from + to) / 2
    this.gesture(zoom(this.range, factor, anchor ?? middle, now))
  }

  panBy(ms: number): void {
    const now = this.hub.now()
    this.gesture(pan(this.window(now), ms, now))
  }

  /** Stops where it is, or follows now again with the same span. */
  togglePause(): void {
    const { from, to } = this.window()
    this.gesture(this.range.kind === 'live' ? { kind: 'fixed', from, to } : { kind: 'live', spanMs: to - from })
  }

  follow(): void {
    const { from, to } = this.window()
    this.gesture({ kind: 'live', spanMs: to - from })
  }

  /** Called at each painting: asks for more history where the window has run out of it. */
  check(): void {
    const now = this.hub.now()
    this.history.need(this.window(now), this.pixels, now, this.range.kind === 'live')
  }

  private gesture(range: Range): void {
    this.show(range)
    clearTimeout(this.settle)
    this.settle = setTimeout(() => this.onRange?.(this.range), settleMs)
  }

  private show(range: Range): void {
    this.range = range
    this.changed()
    this.check()
  }

  private take(pen: Pen | undefined, value: LiveValue): void {
    if (!pen) return
    const sample: TailSample = {
      timeMs: value.timeMs,
      value: value.value ?? NaN,
      severity: value.severity,
      text: value.text,
    }
    const newest = pen.tail.at(-1)
    if (newest && sample.timeMs <= newest.timeMs) return
    pen.tail.push(sample)
    if (pen.tail.length > tailLength) pen.tail.splice(0, tailLength / 2)
    if (this.history.reachesNow) append(pen.columns, sample)
  }

  private changed(): void {
    const next: TrendStatus = {
      following: this.range.kind === 'live',
      loading: this.history.loading,
      error: this.history.error?.message ?? null,
      answers: this.history.answers,
    }
    this.redraw('all')
    const same = Object.entries(next).every(([key, value]) => this.status[key as keyof TrendStatus] === value)
    if (same) return
    this.status = next
    for (const listener of this.listeners) listener()
  }

  private redraw(what: 'all' | 'cursor'): void {
    for (const painter of this.painters) painter(what)
  }
}
