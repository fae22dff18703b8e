// Draws pens on a canvas: good solid, uncertain dashed, bad as a gap with ticks below, and after the
// last sample the held value up to now, dotted once it is stale. Steps where the signal is stepped.
// It decides no scale and fetches nothing; a pen, a window and a box come in, pixels go out.
import { visible, type Columns } from './columns'
import type { Pen } from './pen'
import type { Window } from './range'
import type { YRange } from './y-range'

export type Box = { left: number; top: number; width: number; height: number }

export type Frame = {
  context: CanvasRenderingContext2D
  box: Box
  window: Window
  /** The server's clock. */
  now: number
  linkLost: boolean
  /** Device pixels for one CSS pixel. */
  ratio: number
  colour: (token: string) => string
}

type Lines = { solid: Path2D; dashed: Path2D; dots: Path2D; bad: [number, number][]; end: End | null }
type End = { x: number; y: number; timeMs: number }

/** The smallest and largest number in sight, and how many samples there are. */
export function measure(pen: Pen, window: Window): void {
  const { columns } = pen
  const [first, last] = visible(columns, window.from, window.to)
  let low = Infinity
  let high = -Infinity
  for (let i = first; i <= last; i += 1) {
    const value = columns.values[i] ?? NaN
    if (value < low) low = value
    if (value > high) high = value
  }
  pen.inSight = { low, high, count: Math.max(0, last - first + 1) }
}

export function paintLine(frame: Frame, pen: Pen, range: YRange, badge: boolean): void {
  const { context, ratio } = frame
  const lines = trace(frame, pen, range)
  context.save()
  clip(frame)
  context.strokeStyle = frame.colour(pen.token)
  context.fillStyle = context.strokeStyle
  // Where samples crowd each other a hairline looks the same and is several times cheaper.
  const crowded = pen.inSight.count > (2.5 * frame.box.width) / ratio
  context.lineWidth = (crowded ? 1 : 1.5) * ratio
  context.lineJoin = 'bevel'
  context.stroke(lines.solid)
  context.fill(lines.dots)
  context.setLineDash([6 * ratio, 3 * ratio])
  context.stroke(lines.dashed)
  const end = lines.end ? paintHold(frame, pen, lines.end) : null
  context.restore()
  for (const [from, to] of lines.bad) paintBad(frame, from, to)
  if (badge && end) paintBadge(frame, pen, end)
}

function trace(frame: Frame, pen: Pen, [low, high]: YRange): Lines {
  const { box, window, ratio } = frame
  const { columns } = pen
  const { stepped } = pen.signal
  const perMs = box.width / (window.to - window.from)
  const perUnit = box.height / (high - low)
  const [first, last] = visible(columns, window.from, window.to)
  const lines: Lines = { solid: new Path2D(), dashed: new Path2D(), dots: new Path2D(), bad: [], end: null }
  const sparse = last - first + 1 < box.width / (16 * ratio)
  let before: (End & { severity: number }) | null = null
  // A path is taken up again only where it was left, or dashes would begin anew at each sample.
  let open: Path2D | null = null
  for (let i = first; i <= last; i += 1) {
    const timeMs = columns.times[i] ?? 0
    const value = columns.values[i] ?? NaN
    const severity = columns.severities[i] ?? 0
    const x = box.left + (timeMs - window.from) * perMs
    const gap = Number.isNaN(value)
    const y: number = gap ? (before?.y ?? 0) : box.top + (high - value) * perUnit
    if (before) {
      const path = before.severity === 1 || (!stepped && severity === 1) ? lines.dashed : lines.solid
      if ((stepped || !gap) && path !== open) path.moveTo(before.x, before.y)
      if (stepped) path.lineTo(x, before.y)
      if (!gap) path.lineTo(x, y)
      open = path
    }
    if (gap) {
      const next = i < last ? (columns.times[i + 1] ?? timeMs) : Math.min(frame.now, window.to)
      if (severity === 2) addBad(lines.bad, x, box.left + (next - window.from) * perMs)
      before = null
      open = null
      continue
    }
    const lonely = !before && (i === last || Number.isNaN(columns.values[i + 1] ?? NaN))
    if (sparse || lonely) {
      lines.dots.moveTo(x + 2 * ratio, y)
      lines.dots.arc(x, y, 2 * ratio, 0, Math.PI * 2)
    }
    before = { x, y, timeMs, severity }
  }
  lines.end = last === columns.length - 1 ? before : null
  return lines
}

function addBad(bad: [number, number][], from: number, to: number): void {
  const before = bad.at(-1)
  if (before && from <= before[1] + 0.5) before[1] = to
  else bad.push([from, to])
}

/** The value holds until now; a stale one fades to dots. Answers where it ends. */
function paintHold(frame: Frame, pen: Pen, end: End): End {
  const { context, box, window, ratio } = frame
  const until = Math.min(frame.now, window.to)
  if (until <= end.timeMs) return end
  const after = pen.signal.staleAfterMs
  const stale = frame.linkLost || (after !== null && until - end.timeMs > after)
  const x = box.left + ((until - window.from) / (window.to - window.from)) * box.width
  context.globalAlpha = stale ? 0.6 : 0.75
  context.setLineDash(stale ? [1.5 * ratio, 4 * ratio] : [])
  context.lineWidth = (stale ? 1.5 : 1.25) * ratio
  context.beginPath()
  context.moveTo(end.x, end.y)
  context.lineTo(x, end.y)
  context.stroke()
  context.globalAlpha = 1
  return { x, y: end.y, timeMs: until }
}

/** Ticks along the bottom as long as the quality is bad, begun by a cross. */
function paintBad(frame: Frame, from: number, to: number): void {
  const { context, box, ratio } = frame
  const left = Math.max(box.left, from)
  const right = Math.min(box.left + box.width, to)
  if (right <= left - ratio) return
  const bottom = box.top + box.height - ratio
  context.save()
  clip(frame)
  context.strokeStyle = frame.colour('q-bad')
  context.lineWidth = ratio
  context.beginPath()
  for (let x = left; x <= right; x += 5 * ratio) {
    context.moveTo(Math.round(x) + 0.5, bottom)
    context.lineTo(Math.round(x) + 0.5, bottom - 5 * ratio)
  }
  context.moveTo(left, bottom)
  context.lineTo(right, bottom)
  context.stroke()
  if (right - left > 12 * ratio) {
    const arm = 3.5 * ratio
    const x = left + arm + 2 * ratio
    const y = bottom - 12 * ratio
    context.lineWidth = 1.6 * ratio
    context.beginPath()
    context.moveTo(x - arm, y - arm)
    context.lineTo(x + arm, y + arm)
    context.moveTo(x + arm, y - arm)
    context.lineTo(x - arm, y + arm)
    context.stroke()
  }
  context.restore()
}

/** The pen's number at the end of its line, for the eye that cannot go by colour. */
function paintBadge(frame: Frame, pen: Pen, end: End): void {
  const { context, box, ratio } = frame
  const size = 13 * ratio
  const x = Math.min(end.x, box.left + box.width) - size
  const y = Math.min(box.top + box.height - size, Math.max(box.top, end.y - size / 2))
  context.save()
  context.fillStyle = frame.colour(pen.token)
  context.fillRect(x, y, size, size)
  context.fillStyle = frame.colour('panel')
  context.font = `600 ${10 * ratio}px Inter, sans-serif`
  context.textAlign = 'center'
  context.textBaseline = 'middle'
  context.fillText(String(pen.number), x + size / 2, y + size / 2 + ratio / 2)
  context.restore()
}

/** Text as labelled bands, one for each run of the same text. */
export function paintTexts(frame: Frame, pen: Pen): void {
  const { context, box, window, ratio } = frame
  const { columns } = pen
  const [first, last] = visible(columns, window.from, window.to)
  const perMs = box.width / (window.to - window.from)
  // The name of the signal stands above its bands.
  const top = box.top + 17 * ratio
  context.save()
  clip(frame)
  context.font = `500 ${12 * ratio}px Inter, sans-serif`
  context.textAlign = 'left'
  context.textBaseline = 'middle'
  for (let i = first; i <= last; ) {
    const next = runEnd(columns, i, last)
    const endMs = next < columns.length ? (columns.times[next] ?? 0) : Math.min(frame.now, window.to)
    const from = Math.max(box.left, box.left + ((columns.times[i] ?? 0) - window.from) * perMs)
    const to = Math.min(box.left + box.width, box.left + (endMs - window.from) * perMs)
    if (to > from) paintBand(frame, pen, i, { left: from, top, width: to - from, height: box.top + box.height - top })
    i = next
  }
  context.restore()
}

function paintBand(frame: Frame, pen: Pen, i: number, band: Box): void {
  const { context, ratio } = frame
  const bad = pen.columns.severities[i] === 2
  if (band.width < 4 * ratio) {
    // Too many to tell apart: grey says "look closer" where edges would only make a block of colour.
    context.fillStyle = frame.colour(bad ? 'q-bad' : 'line')
    context.fillRect(band.left, band.top, Math.max(ratio, band.width - ratio), band.height)
    return
  }
  context.fillStyle = frame.colour(bad ? 'panel' : 'selected')
  context.fillRect(band.left, band.top, band.width, band.height)
  context.fillStyle = frame.colour(bad ? 'q-bad' : pen.token)
  context.fillRect(band.left, band.top, Math.min(2 * ratio, band.width), band.height)
  const label = bad ? '✕ Bad' : (pen.columns.texts?.[i] ?? '–')
  const room = band.width - 10 * ratio
  if (room < 14 * ratio) return
  context.save()
  context.beginPath()
  context.rect(band.left, band.top, band.width - 3 * ratio, band.height)
  context.clip()
  context.fillStyle = frame.colour(bad ? 'q-bad' : 'ink')
  context.fillText(label, band.left + 7 * ratio, band.top + band.height / 2 + ratio / 2)
  context.restore()
}

/** Index after the run of equal texts that begins at `i`. */
function runEnd(columns: Columns, i: number, last: number): number {
  let next = i + 1
  while (
    next <= last &&
    columns.texts?.[next] === columns.texts?.[i] &&
    columns.severities[next] === columns.severities[i]
  ) {
    next += 1
  }
  return next
}

function clip({ context, box }: Frame): void {
  context.beginPath()
  context.rect(box.left, box.top, box.width, box.height)
  context.clip()
}
