// The picture of a trend session in one element: stacked lanes or one overlay, the cursor with its
// readings, and when to paint. Gestures are in gestures.ts, lines in paint.ts.
import type { TrendView } from './view'
import { sayValue } from '../live/present'
import { clockTime, clockTimeExact, shortDate, utc } from '../lib/time'
import type { Sink } from '../live/hub'
import { onTheme, resolveTokens } from '../ui/theme'
import { readAt } from './columns'
import { axisWidth, Lane, timeAxisHeight } from './lane'
import { penTokens, type Pen } from './pen'
import type { TrendSession } from './session'

const tokens = [...penTokens, 'ink', 'ink-3', 'line', 'line-soft', 'panel', 'selected', 'q-bad'] as const
const fastestMs = 80
const slowestMs = 1000
const rightPad = 10
const leastNumberLane = 84
const textLane = 54
const switchLane = 72

type Options = Pick<TrendView, 'mode' | 'scale'>
type Reading = { pen: Pen; lane: Lane; element: HTMLElement }

export class TrendPicture {
  readonly host: HTMLElement
  readonly session: TrendSession
  private options: Options = { mode: 'lanes', scale: 'auto' }
  private built: readonly Pen[] | null = null
  private lanes: Lane[] = []
  private readings: Reading[] = []
  private colours = resolveTokens(tokens)
  private axisCount = 1
  private readonly cursorLine = document.createElement('div')
  private readonly cursorTime = document.createElement('div')
  private readonly spec: Sink = { tags: [], everyMs: fastestMs, paint: (now) => this.paint(now) }
  private sink: { poke: () => void; remove: () => void } | undefined
  private frame = 0
  private scroll: ReturnType<typeof setInterval> | undefined
  private readonly sizes: ResizeObserver
  private readonly offTheme: () => void
  private readonly offRedraw: () => void

  constructor(host: HTMLElement, session: TrendSession) {
    this.host = host
    this.session = session
    this.cursorLine.className = 'trend-cursor'
    this.cursorTime.className = 'trend-cursor-time'
    this.cursorLine.append(this.cursorTime)
    this.sizes = new ResizeObserver(() => this.layOut())
    this.offTheme = onTheme(() => {
      this.colours = resolveTokens(tokens)
      this.build()
    })
    // The canvas asks for the typeface once it is there, not before.
    void document.fonts?.ready.then(() => this.paintSoon())
    this.build()
    this.sizes.observe(host)
    this.offRedraw = session.onRedraw((what) => (what === 'all' ? this.paintSoon() : this.paintCursor()))
    this.scroll = setInterval(() => {
      if (session.range.kind === 'live' && session.range.spanMs < 3_600_000) this.sink?.poke()
    }, 100)
  }

  close(): void {
    clearInterval(this.scroll)
    cancelAnimationFrame(this.frame)
    this.offRedraw()
    this.sizes.disconnect()
    this.offTheme()
    this.sink?.remove()
    for (const lane of this.lanes) lane.destroy()
    this.host.replaceChildren()
  }

  setOptions(options: Options): void {
    if (options.mode === this.options.mode && options.scale === this.options.scale) return
    this.options = options
    this.build()
  }

  /** Anew, from the session's pens: after signals, mode, scale or theme have changed. */
  private build(): void {
    const { options } = this
    this.built = this.session.pens
    this.sink?.remove()
    for (const lane of this.lanes) lane.destroy()
    const groups = this.groups()
    this.axisCount = Math.max(1, ...groups.map((pens) => Lane.axesOf(pens)))
    const { width, heights } = this.measure(groups)
    this.lanes = groups.map(
      (pens, i) =>
        new Lane(
          {
            pens,
            timeAxis: i === groups.length - 1,
            fullScale: options.scale === 'full',
            colour: (token) => this.colours[token as keyof typeof this.colours] ?? '#888',
          },
          width,
          heights[i] ?? leastNumberLane,
          this.axisCount,
        ),
    )
    this.readings = this.lanes.flatMap((lane) =>
      lane.pens.map((pen) => {
        const element = document.createElement('div')
        element.className = 'trend-reading'
        element.dataset['pen'] = pen.token
        lane.element.append(element)
        return { pen, lane, element }
      }),
    )
    this.host.replaceChildren(...this.lanes.map((lane) => lane.element), this.cursorLine)
    for (const lane of this.lanes) if (options.mode === 'lanes' || lane.pens.length === 1) this.label(lane)
    this.spec.tags = this.session.pens.map((pen) => pen.signal.tag)
    this.sink = this.session.hub.addSink(this.spec)
  }

  /** Where time runs, in CSS pixels from the left of the host. */
  plot(): { left: number; width: number } {
    const left = axisWidth * this.axisCount
    return { left, width: Math.max(1, this.host.clientWidth - left - rightPad) }
  }

  /** The moment at a place of the screen. */
  timeAt(clientX: number): number {
    const { left, width } = this.plot()
    const share = (clientX - this.host.getBoundingClientRect().left - left) / width
    const { from, to } = this.session.window()
    return from + Math.min(1, Math.max(0, share)) * (to - from)
  }

  paint(now: number): void {
    const { session } = this
    if (session.pens !== this.built) this.build()
    const window = session.window(now)
    const moment = { window, now, linkLost: session.hub.linkLost }
    for (const lane of this.lanes) lane.draw(moment)
    this.paintCursor()
    this.report(window)
    session.check()
    // Live samples are painted as often as they could move a pixel; gestures do not wait for that.
    const perPixel = (window.to - window.from) / this.plot().width
    this.spec.everyMs = Math.min(slowestMs, Math.max(fastestMs, perPixel / 2))
  }

  private paintSoon(): void {
    if (this.frame !== 0) return
    this.frame = requestAnimationFrame(() => {
      this.frame = 0
      this.paint(this.session.hub.now())
    })
  }

  private groups(): Pen[][] {
    const { pens } = this.session
    if (this.options.mode === 'lanes') return pens.map((pen) => [pen])
    const lines = pens.filter((pen) => pen.shape !== 'text')
    const texts = pens.filter((pen) => pen.shape === 'text').map((pen) => [pen])
    return lines.length > 0 ? [lines, ...texts] : texts
  }

  private measure(groups: Pen[][]): { width: number; heights: number[] } {
    const width = Math.max(160, this.host.clientWidth)
    const fixed = groups.map((pens): number => {
      const shape = pens.length === 1 ? pens[0]?.shape : 'number'
      return shape === 'text' ? textLane : shape === 'switch' ? switchLane : 0
    })
    const taken = fixed.reduce((sum, h) => sum + h, 0) + timeAxisHeight
    const flexible = fixed.filter((h) => h === 0).length
    const each = Math.max(leastNumberLane, (this.host.clientHeight - taken) / Math.max(1, flexible))
    const heights = fixed.map((h) => Math.floor(h === 0 ? each : h))
    const last = heights.length - 1
    if (last >= 0) heights[last] = (heights[last] ?? 0) + timeAxisHeight
    return { width, heights }
  }

  private layOut(): void {
    const { width, heights } = this.measure(this.groups())
    this.lanes.forEach((lane, i) => lane.resize(width, heights[i] ?? leastNumberLane))
    this.session.setPixels(this.plot().width)
    this.paintSoon()
  }

  private label(lane: Lane): void {
    const pen = lane.pens[0]
    if (!pen) return
    const label = document.createElement('div')
    label.className = 'lane-label'
    label.dataset['pen'] = pen.token
    label.textContent = pen.signal.tag
    label.style.left = `${this.plot().left + 6}px`
    lane.element.append(label)
  }

  private paintCursor(): void {
    const { cursor } = this.session
    const { from, to } = this.session.window()
    const shown = cursor !== null && cursor >= from && cursor <= to
    this.cursorLine.hidden = !shown
    for (const reading of this.readings) this.paintReading(reading, shown ? cursor : null, from, to)
    if (!shown) return
    const { left, width } = this.plot()
    const x = left + ((cursor - from) / (to - from)) * width
    this.cursorLine.style.transform = `translateX(${Math.round(x)}px)`
    const time = to - from < 120_000 ? clockTimeExact(cursor) : clockTime(cursor)
    this.cursorTime.textContent = `${shortDate(cursor)} ${time}`
    this.cursorTime.title = utc(cursor)
    this.cursorTime.dataset['side'] = x > left + width / 2 ? 'left' : 'right'
  }

  private paintReading({ pen, lane, element }: Reading, cursor: number | null, from: number, to: number): void {
    const reading = cursor === null ? null : readAt(pen.columns, cursor, pen.signal.stepped)
    const y = reading?.value == null ? null : lane.yOf(pen, reading.value)
    element.hidden = y === null
    if (reading?.value == null || y === null || cursor === null) return
    const { left, width } = this.plot()
    const x = left + ((cursor - from) / (to - from)) * width
    const text = sayValue(pen.signal, reading.value, reading.text)
    element.textContent = reading.severity === 1 ? `? ${text}` : text
    const turned = x > left + width - 90
    element.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px) translate(${turned ? 'calc(-100% - 6px)' : '6px'}, -50%)`
  }

  /** What the picture shows, for tests and for whoever looks at the page's structure. */
  private report(window: { from: number; to: number }): void {
    const { pens } = this.session
    const { dataset } = this.host
    dataset['points'] = String(pens.reduce((sum, pen) => sum + pen.inSight.count, 0))
    dataset['lastTime'] = String(Math.max(0, ...pens.map((pen) => pen.columns.times[pen.columns.length - 1] ?? 0)))
    dataset['from'] = String(Math.round(window.from))
    dataset['to'] = String(Math.round(window.to))
    dataset['live'] = String(this.session.range.kind === 'live')
  }
}
