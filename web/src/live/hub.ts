// Where streaming values live: outside React. Watchers name the signals they want, the hub keeps one
// subscription for all of them, and sinks paint in one animation frame. A tick each second lets every
// sink think about age again, even if nothing arrives.
import { samplesDocument } from '../api/operations'
import type { SamplesSubscription } from '../api/generated/graphql'
import { severityOf, type Severity } from '../lib/quality'
import { ServerClock } from './clock'
import { Ring } from './ring'
import type { LiveSocket } from './socket'

export type LiveValue = {
  timeMs: number
  value: number | null
  text: string | null
  quality: number
  severity: Severity
}

export type Sink = {
  tags: readonly string[]
  /** Not painted more often than this. */
  everyMs: number
  paint: (serverNow: number) => void
}

export type Watcher = {
  tags: readonly string[]
  onSample?: (tag: string, value: LiveValue) => void
  /** History has changed behind the newest sample: a late sample, a skipped one, or a new link. */
  onHole?: () => void
}

type Batch = SamplesSubscription['samples']
type SinkState = { sink: Sink; paintedAt: number }

const quietMs = 30
const frameBudgetMs = 12
const flushMs = 50

export class Hub {
  readonly clock = new ServerClock()
  private readonly socket: LiveSocket
  private readonly values = new Map<string, LiveValue>()
  private readonly rings = new Map<string, Ring>()
  private readonly watchers = new Set<Watcher>()
  private readonly sinks = new Set<SinkState>()
  private readonly sinksOf = new Map<string, Set<SinkState>>()
  private readonly dirty = new Set<SinkState>()
  private subscribed = new Set<string>()
  private stop: (() => void) | undefined
  private frame = 0
  private settle: ReturnType<typeof setTimeout> | undefined
  private readonly tick: ReturnType<typeof setInterval>
  private readonly offLink: () => void

  constructor(socket: LiveSocket) {
    this.socket = socket
    this.tick = setInterval(() => this.repaint(), 1000)
    this.offLink = socket.onLink(() => this.repaint())
  }

  close(): void {
    clearInterval(this.tick)
    clearTimeout(this.settle)
    cancelAnimationFrame(this.frame)
    this.offLink()
    this.stop?.()
  }

  now(): number {
    return this.clock.now()
  }

  get linkLost(): boolean {
    return this.socket.link().kind === 'lost'
  }

  last(tag: string): LiveValue | undefined {
    return this.values.get(tag)
  }

  /** A last value that came another way, such as with the list of signals. */
  seed(tag: string, value: Omit<LiveValue, 'severity'>): void {
    const held = this.values.get(tag)
    if (held && held.timeMs >= value.timeMs) return
    this.values.set(tag, { ...value, severity: severityOf(value.quality) })
    this.markTag(tag)
  }

  /** The ring of a signal, kept from the first time it is asked for. */
  ring(tag: string, capacity: number, spacingMs = 0): Ring {
    let ring = this.rings.get(tag)
    if (!ring) {
      ring = new Ring(capacity, spacingMs)
      this.rings.set(tag, ring)
    }
    return ring
  }

  watch(watcher: Watcher): () => void {
    this.watchers.add(watcher)
    this.resubscribeSoon()
    return () => {
      this.watchers.delete(watcher)
      this.resubscribeSoon()
    }
  }

  addSink(sink: Sink): { poke: () => void; remove: () => void } {
    const state: SinkState = { sink, paintedAt: -Infinity }
    this.sinks.add(state)
    for (const tag of sink.tags) {
      const set = this.sinksOf.get(tag)
      if (set) set.add(state)
      else this.sinksOf.set(tag, new Set([state]))
    }
    this.mark(state)
    return {
      poke: () => this.mark(state),
      remove: () => {
        this.sinks.delete(state)
        this.dirty.delete(state)
        for (const tag of sink.tags) this.sinksOf.get(tag)?.delete(state)
      },
    }
  }

  /** Takes one message of the subscription. Public for tests; the socket calls it. */
  take(batch: Batch, receivedAt: number = Date.now()): void {
    this.clock.stamped(batch.sentAt * 1000, receivedAt)
    // A snapshot begins a subscription: what was recorded between the last question for history and
    // now is known to the server only.
    let hole = batch.snapshot || batch.skipped > 0
    for (const [i, tag] of batch.tags.entries()) {
      if (!this.takeSample(tag, batch, i) && !batch.snapshot) hole = true
    }
    if (hole) for (const watcher of this.watchers) watcher.onHole?.()
  }

  /** False where the sample is older than the newest one: it belongs into history, not here. */
  private takeSample(tag: string, batch: Batch, i: number): boolean {
    const timeMs = (batch.times[i] ?? 0) * 1000
    const quality = batch.qualities[i] ?? 0
    const held = this.values.get(tag)
    if (held && timeMs < held.timeMs) return false
    const value: LiveValue = {
      timeMs,
      value: batch.values[i] ?? null,
      text: batch.texts[i] ?? null,
      quality,
      severity: severityOf(quality),
    }
    this.values.set(tag, value)
    this.rings.get(tag)?.push(timeMs, value.severity === 2 ? NaN : (value.value ?? NaN))
    for (const watcher of this.watchers) {
      if (watcher.onSample && watcher.tags.includes(tag)) watcher.onSample(tag, value)
    }
    this.markTag(tag)
    return true
  }

  private resubscribeSoon(): void {
    clearTimeout(this.settle)
    this.settle = setTimeout(() => this.resubscribe(), quietMs)
  }

  private resubscribe(): void {
    const wanted = this.wanted()
    const covered = [...wanted].every((tag) => this.subscribed.has(tag))
    // A few signals too many are cheaper than a new subscription at each scroll.
    if (covered && wanted.size > 0 && this.subscribed.size <= wanted.size * 2 + 100) return
    const old = this.stop
    this.stop = undefined
    if (wanted.size === 0) {
      this.subscribed = wanted
      old?.()
      return
    }
    let first = true
    this.stop = this.socket.subscribe(
      samplesDocument,
      () => {
        // One signal that has been retired makes the server refuse all; by now it may be unwatched.
        this.subscribed = this.wanted()
        return { tags: [...this.subscribed].toSorted(), everyMs: flushMs }
      },
      (data) => {
        if (first) {
          // The old one goes only now, so that nothing falls between the two.
          first = false
          old?.()
        }
        this.take(data.samples)
      },
    )
  }

  private wanted(): Set<string> {
    const tags = new Set<string>()
    for (const watcher of this.watchers) for (const tag of watcher.tags) tags.add(tag)
    return tags
  }

  private markTag(tag: string): void {
    const set = this.sinksOf.get(tag)
    if (set) for (const state of set) this.mark(state)
  }

  private mark(state: SinkState): void {
    this.dirty.add(state)
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.paint())
  }

  private repaint(): void {
    for (const state of this.sinks) this.mark(state)
  }

  private paint(): void {
    this.frame = 0
    const begun = performance.now()
    const serverNow = this.now()
    for (const state of this.dirty) {
      if (begun - state.paintedAt < state.sink.everyMs - 4) continue
      this.dirty.delete(state)
      state.paintedAt = begun
      state.sink.paint(serverNow)
      if (performance.now() - begun > frameBudgetMs) break
    }
    if (this.dirty.size > 0) this.frame = requestAnimationFrame(() => this.paint())
  }
}
