// One lane of a trend: a uPlot that draws axes and grid, on whose canvas our pens are painted.
// Its data stay empty on purpose: columns go to the canvas untouched, whatever times they have.
import uPlot from 'uplot'
import { formatNumber } from '../lib/format'
import { shortDate } from '../lib/time'
import { unitLabel } from '../lib/units'
import { measure, paintLine, paintTexts, type Frame } from './paint'
import type { Pen } from './pen'
import { calmRange, definedRange, hasFixedRange, type YRange } from './y-range'

export type LaneOptions = {
  pens: Pen[]
  /** The lowest lane carries the time axis. */
  timeAxis: boolean
  fullScale: boolean
  colour: (token: string) => string
}

export type LaneMoment = Pick<Frame, 'window' | 'now' | 'linkLost'>

type ScaleState = { key: string; pens: Pen[]; range: YRange }

export const axisWidth = 68
export const timeAxisHeight = 40
const rightPad = 10
const mostAxes = 3
const font = '11px Inter, sans-serif'

export class Lane {
  readonly element = document.createElement('div')
  readonly pens: readonly Pen[]
  private readonly options: LaneOptions
  private readonly scales: ScaleState[]
  private readonly plot: uPlot
  private moment: LaneMoment = { window: { from: 0, to: 1 }, now: 0, linkLost: false }

  constructor(options: LaneOptions, width: number, height: number, axisCount: number) {
    this.options = options
    this.pens = options.pens
    this.scales = groupScales(options.pens)
    this.element.className = 'lane'
    this.plot = new uPlot(this.plotOptions(width, height, axisCount), [[0, 1]], this.element)
  }

  /** How many vertical axes it wants; all lanes of a trend take the same room for them. */
  static axesOf(pens: readonly Pen[]): number {
    return Math.min(mostAxes, groupScales(pens).length)
  }

  resize(width: number, height: number): void {
    this.plot.setSize({ width, height })
  }

  destroy(): void {
    this.plot.destroy()
    this.element.remove()
  }

  draw(moment: LaneMoment): void {
    this.moment = moment
    for (const pen of this.pens) measure(pen, moment.window)
    for (const scale of this.scales) scale.range = this.rangeFor(scale)
    this.plot.setScale('x', { min: moment.window.from / 1000, max: moment.window.to / 1000 })
  }

  /** Where a value of a pen lies, in CSS pixels from the top of the lane; null for text. */
  yOf(pen: Pen, value: number): number | null {
    const scale = this.scales.find((s) => s.pens.includes(pen))
    if (!scale || pen.shape === 'text') return null
    const box = this.plot.bbox
    const share = (scale.range[1] - value) / (scale.range[1] - scale.range[0])
    return (box.top + share * box.height) / uPlot.pxRatio
  }

  private rangeFor({ pens, range }: ScaleState): YRange {
    const fixed = pens.every((pen) => hasFixedRange(pen.signal)) || this.options.fullScale
    let low = Infinity
    let high = -Infinity
    for (const pen of pens) {
      low = Math.min(low, pen.inSight.low)
      high = Math.max(high, pen.inSight.high)
      const defined = fixed ? definedRange(pen.signal) : null
      if (defined) {
        low = Math.min(low, defined[0])
        high = Math.max(high, defined[1])
      }
    }
    const exact = fixed && pens.every((pen) => definedRange(pen.signal)) && low < high
    return exact ? [low, high] : calmRange(range[0] === range[1] ? null : range, low, high)
  }

  private paintPens(): void {
    const { plot } = this
    const ratio = uPlot.pxRatio
    const frame: Frame = {
      ...this.moment,
      context: plot.ctx,
      box: { left: plot.bbox.left, top: plot.bbox.top, width: plot.bbox.width, height: plot.bbox.height },
      ratio,
      colour: this.options.colour,
    }
    for (const { pens, range } of this.scales) {
      for (const pen of pens) {
        if (pen.shape === 'text') paintTexts(frame, pen)
        else paintLine(frame, pen, range, this.pens.length > 1)
      }
    }
  }

  private plotOptions(width: number, height: number, axisCount: number): uPlot.Options {
    const { colour, timeAxis } = this.options
    const scales: uPlot.Scales = { x: { time: true } }
    const line = colour('line-soft')
    const time: uPlot.Axis = {
      stroke: colour('ink-3'),
      font,
      space: 88,
      size: timeAxis ? timeAxisHeight : 0,
      gap: 4,
      grid: { stroke: line, width: 1 },
      ticks: { show: timeAxis, stroke: colour('line'), width: 1, size: 5 },
      values: timeAxis ? timeLabels : (_, splits) => splits.map(() => ''),
    }
    const axes: uPlot.Axis[] = [time]
    this.scales.forEach((state, i) => {
      scales[state.key] = { auto: true, range: () => [...state.range] }
      if (i < mostAxes) axes.push(this.valueAxis(state, i))
    })
    // Lanes with fewer axes get empty ones, so that time runs at the same place in all of them.
    for (let i = this.scales.length; i < axisCount; i += 1) {
      axes.push({ scale: this.scales[0]?.key ?? 'y0', side: 3, size: axisWidth, values: (_, s) => s.map(() => ''), grid: { show: false }, ticks: { show: false } })
    }
    return {
      width,
      height,
      scales,
      axes,
      series: [{}],
      legend: { show: false },
      cursor: { show: false },
      padding: [8, rightPad, timeAxis ? 0 : 8, 0],
      hooks: { draw: [() => this.paintPens()] },
    }
  }

  private valueAxis(state: ScaleState, index: number): uPlot.Axis {
    const { colour } = this.options
    const first = state.pens[0]
    const several = this.scales.length > 1
    const base: uPlot.Axis = {
      scale: state.key,
      side: 3,
      stroke: colour(several && state.pens.length === 1 && first ? first.token : 'ink-3'),
      font,
      size: axisWidth,
      gap: 5,
      space: 26,
      grid: { show: index === 0, stroke: colour('line-soft'), width: 1 },
      ticks: { show: index === 0, stroke: colour('line'), width: 1, size: 4 },
    }
    if (!first || first.shape === 'text') return { ...base, values: (_, s) => s.map(() => ''), grid: { show: false }, ticks: { show: false } }
    if (first.shape === 'switch') {
      return { ...base, splits: () => [0, 1], values: () => ['Off', 'On'] }
    }
    if (first.shape === 'state') {
      const { states } = first.signal
      return { ...base, space: 12, splits: () => states.map((s) => s.number), values: () => states.map((s) => cut(s.name)) }
    }
    const unit = unitLabel(first.signal.unit)
    return {
      ...base,
      values: (_, splits) =>
        splits.map((v, i) => {
          const text = formatNumber(v, decimalsForSteps(splits))
          return several && i === splits.length - 1 && unit !== '' ? `${text} ${unit}` : text
        }),
    }
  }
}

/** Numbers of the same unit share a scale; everything else has its own. */
function groupScales(pens: readonly Pen[]): ScaleState[] {
  const groups = new Map<string, Pen[]>()
  for (const pen of pens) {
    const key = pen.shape === 'number' ? `unit ${pen.signal.unit ?? pen.signal.tag}` : `pen ${pen.signal.tag}`
    const group = groups.get(key)
    if (group) group.push(pen)
    else groups.set(key, [pen])
  }
  return [...groups.values()].map((members, i) => ({ key: `y${i}`, pens: members, range: [0, 0] }))
}

/** As many decimals as tell one step from the next. */
function decimalsForSteps(splits: number[]): number {
  const step = Math.abs((splits[1] ?? 1) - (splits[0] ?? 0))
  for (let decimals = 0; decimals < 6; decimals += 1) {
    const scaled = step * 10 ** decimals
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6 * scaled) return decimals
  }
  return 6
}

function cut(name: string): string {
  return name.length > 10 ? `${name.slice(0, 9)}…` : name
}

const two = (n: number) => String(n).padStart(2, '0')

/** Labels of the time axis: as exact as the steps ask for, with the date where it changes. */
function timeLabels(_: uPlot, splits: number[]): string[] {
  const step = (splits[1] ?? 0) - (splits[0] ?? 0)
  let day = ''
  return splits.map((seconds) => {
    const at = new Date(seconds * 1000)
    const date = shortDate(seconds * 1000)
    const changed = date !== day
    day = date
    if (step >= 86_400) return date
    let text = `${two(at.getHours())}:${two(at.getMinutes())}`
    if (step < 60) text += `:${two(at.getSeconds())}`
    if (step < 1) text += `.${Math.floor(at.getMilliseconds() / 100)}`
    return changed ? `${text}\n${date}` : text
  })
}
