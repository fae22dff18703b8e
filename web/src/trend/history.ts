// Keeps the pens of a trend filled: asks for what the window needs at the resolution it needs, drops
// the question before when a new one is due, and leaves the old picture until the answer is here.
// It does not draw, and it does not decide which time is shown.
import { trendDocument } from '../api/operations'
import { request, type ApiError } from '../api/request'
import type { TrendAnswer } from '../api/types'
import { fromAnswer, joinTail } from './columns'
import type { Pen } from './pen'
import type { Window } from './range'

export type Ask = (tags: string[], window: Window, width: number, signal: AbortSignal) => Promise<TrendAnswer>

export const askServer: Ask = async (tags, window, width, signal) => {
  const variables = { tags, from: iso(window.from), to: iso(window.to), width }
  return (await request(trendDocument, variables, signal)).trend
}

type Wanted = { window: Window; pixels: number; now: number; following: boolean }
type Held = { window: Window; msPerPixel: number; reachesNow: boolean }

const restMs = 60
const holeRestMs = 250
const againMs = 3_000

export class History {
  loading = false
  error: ApiError | Error | null = null
  answers = 0
  private readonly ask: Ask
  private readonly changed: () => void
  private held: Held | null = null
  /** What the question under way will bring; painting in the meantime must not ask it again. */
  private asking: Held | null = null
  private outdated = false
  private wanted: Wanted | null = null
  private abort: AbortController | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  private pens: readonly Pen[] = []

  constructor(ask: Ask, changed: () => void) {
    this.ask = ask
    this.changed = changed
  }

  /** Live samples belong behind the history that is held only if that history reaches now. */
  get reachesNow(): boolean {
    return this.held?.reachesNow ?? false
  }

  setPens(pens: readonly Pen[]): void {
    this.pens = pens
    this.held = null
    this.asking = null
    this.loading = false
    this.abort?.abort()
  }

  close(): void {
    clearTimeout(this.timer)
    this.abort?.abort()
  }

  /** Called whenever the window or the width has changed, and at each painting. */
  need(window: Window, pixels: number, now: number, following: boolean): void {
    this.wanted = { window, pixels, now, following }
    this.askIfNeeded(restMs)
  }

  /** What is held no longer tells the truth: late samples, a slow link, a new link. */
  refresh(): void {
    this.outdated = true
    this.askIfNeeded(holeRestMs)
  }

  private askIfNeeded(ms: number): void {
    const { wanted, timer, asking } = this
    if (!wanted || timer !== undefined) return
    if (asking ? !serves(asking, wanted) : this.outdated || !this.held || !serves(this.held, wanted) || this.crowded(wanted)) {
      this.askSoon(ms)
    }
  }

  /** Live samples are not thinned; when too many have gathered the server's picture is the better one. */
  private crowded({ pixels }: Wanted): boolean {
    return this.pens.some((pen) => pen.columns.length > pixels * 24 + 4000)
  }

  private askSoon(ms: number): void {
    this.timer = setTimeout(() => void this.fetch(), ms)
  }

  private async fetch(): Promise<void> {
    this.timer = undefined
    const { wanted, pens } = this
    if (!wanted || pens.length === 0) return
    this.abort?.abort()
    const abort = new AbortController()
    this.abort = abort
    const { window, pixels, now, following } = wanted
    const span = window.to - window.from
    const reachesNow = following || window.to + span * 0.5 >= now
    const asked: Window = {
      from: window.from - span * (following ? 0.1 : 0.5),
      to: reachesNow ? now + Math.max(1000, span * 0.02) : window.to + span * 0.5,
    }
    const width = Math.max(50, Math.min(8000, Math.ceil((pixels * (asked.to - asked.from)) / span)))
    this.asking = { window: asked, msPerPixel: span / pixels, reachesNow }
    this.outdated = false
    this.loading = true
    this.changed()
    try {
      const tags = pens.map((pen) => pen.signal.tag)
      const answer = await this.ask(tags, asked, width, abort.signal)
      if (abort.signal.aborted) return
      this.take(answer, reachesNow)
      this.held = this.asking
      this.error = null
      this.answers += 1
      this.done(restMs)
    } catch (cause) {
      if (abort.signal.aborted) return
      this.error = cause instanceof Error ? cause : new Error('The history could not be loaded.')
      this.outdated = true
      this.done(againMs)
    }
  }

  private done(nextMs: number): void {
    this.asking = null
    this.abort = null
    this.loading = false
    this.changed()
    this.askIfNeeded(this.outdated ? Math.max(nextMs, holeRestMs) : nextMs)
  }

  private take(answer: TrendAnswer, reachesNow: boolean): void {
    for (const pen of this.pens) {
      const columns = answer.pens.find((p) => p.tag === pen.signal.tag)
      if (!columns) continue
      const history = fromAnswer(columns)
      pen.columns = reachesNow ? joinTail(history, pen.tail) : history
    }
  }
}

/** Whether an answer shows what is wanted, neither too coarse nor far too fine. */
function serves(held: Held, { window, pixels, now }: Wanted): boolean {
  const finest = (window.to - window.from) / pixels
  const covered =
    window.from >= held.window.from && (held.reachesNow || Math.min(window.to, now) <= held.window.to)
  return covered && held.msPerPixel <= finest * 1.5 && held.msPerPixel >= finest / 6
}

function iso(ms: number): string {
  return new Date(Math.round(ms)).toISOString()
}
