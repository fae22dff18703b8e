// The samples of one pen as columns: what the server answered, followed by what came live since.
// Pure data and searches over it; nothing here draws or fetches.
import type { PenColumns } from '../api/types'

export type Columns = {
  length: number
  /** Milliseconds since 1970. */
  times: Float64Array
  /** NaN where there is no number. */
  values: Float64Array
  /** 0 good, 1 uncertain, 2 bad. */
  severities: Uint8Array
  texts: (string | null)[] | null
}

export type TailSample = { timeMs: number; value: number; severity: number; text: string | null }

export function emptyColumns(capacity = 64): Columns {
  return {
    length: 0,
    times: new Float64Array(capacity),
    values: new Float64Array(capacity),
    severities: new Uint8Array(capacity),
    texts: null,
  }
}

export function fromAnswer(pen: PenColumns): Columns {
  const columns = emptyColumns(pen.times.length + 256)
  columns.texts = pen.texts ? pen.texts.slice() : null
  columns.length = pen.times.length
  for (const [i, time] of pen.times.entries()) {
    const severity = pen.severities[i] ?? 0
    columns.times[i] = time * 1000
    columns.values[i] = severity === 2 ? NaN : (pen.values[i] ?? NaN)
    columns.severities[i] = severity
  }
  return columns
}

/** Adds a live sample at the end. False where it is not newer than the last one held. */
export function append(columns: Columns, sample: TailSample): boolean {
  const at = columns.length
  if (at > 0 && sample.timeMs <= (columns.times[at - 1] ?? 0)) return false
  if (at === columns.times.length) grow(columns)
  columns.times[at] = sample.timeMs
  columns.values[at] = sample.severity === 2 ? NaN : sample.value
  columns.severities[at] = sample.severity
  if (sample.text !== null || columns.texts) {
    columns.texts ??= Array.from({ length: at }, () => null)
    columns.texts[at] = sample.text
  }
  columns.length = at + 1
  return true
}

/** Fresh history, then of the live samples those that came after its end: no seam, nothing twice. */
export function joinTail(history: Columns, tail: readonly TailSample[]): Columns {
  for (const sample of tail) append(history, sample)
  return history
}

/** Index of the first sample at or after `time`; `length` where there is none. */
export function firstAtOrAfter(columns: Columns, time: number): number {
  let low = 0
  let high = columns.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((columns.times[middle] ?? 0) < time) low = middle + 1
    else high = middle
  }
  return low
}

/** Index of the last sample at or before `time`; -1 where there is none. */
export function lastAtOrBefore(columns: Columns, time: number): number {
  const index = firstAtOrAfter(columns, time)
  return index < columns.length && columns.times[index] === time ? index : index - 1
}

/** The samples to draw: those inside, and one beyond each edge so that lines reach it. */
export function visible(columns: Columns, from: number, to: number): [number, number] {
  const first = Math.max(0, lastAtOrBefore(columns, from))
  const last = Math.min(columns.length - 1, firstAtOrAfter(columns, to))
  return [first, last]
}

export type Reading = { value: number | null; text: string | null; severity: number; timeMs: number }

/** What a pen shows at a moment: between two samples of a sloped signal the line, else the held value. */
export function readAt(columns: Columns, time: number, stepped: boolean): Reading | null {
  const i = lastAtOrBefore(columns, time)
  if (i < 0) return null
  const t0 = columns.times[i] ?? 0
  const v0 = columns.values[i] ?? NaN
  const severity = columns.severities[i] ?? 0
  let value = v0
  if (!stepped && i + 1 < columns.length) {
    const t1 = columns.times[i + 1] ?? 0
    const v1 = columns.values[i + 1] ?? NaN
    if (!Number.isNaN(v1) && t1 > t0) value = v0 + ((v1 - v0) * (time - t0)) / (t1 - t0)
  }
  return { value: Number.isNaN(value) ? null : value, text: columns.texts?.[i] ?? null, severity, timeMs: t0 }
}

export type JoinedRow = { timeMs: number; indexes: number[] }

/**
 * One row for each time at which any pen has a sample, newest first, at most `limit`.
 * `indexes` holds each pen's sample of exactly that time, or -1.
 */
export function joinRows(pens: readonly Columns[], from: number, to: number, limit: number): JoinedRow[] {
  const at = pens.map((pen) => lastAtOrBefore(pen, to))
  const rows: JoinedRow[] = []
  while (rows.length < limit) {
    let newest = -Infinity
    for (const [p, pen] of pens.entries()) {
      const i = at[p] ?? -1
      if (i >= 0) newest = Math.max(newest, pen.times[i] ?? -Infinity)
    }
    if (newest < from) break
    const indexes = pens.map((pen, p) => {
      const i = at[p] ?? -1
      if (i < 0 || pen.times[i] !== newest) return -1
      at[p] = i - 1
      return i
    })
    rows.push({ timeMs: newest, indexes })
  }
  return rows
}

function grow(columns: Columns): void {
  const size = Math.max(64, columns.times.length * 2)
  const times = new Float64Array(size)
  const values = new Float64Array(size)
  const severities = new Uint8Array(size)
  times.set(columns.times)
  values.set(columns.values)
  severities.set(columns.severities)
  Object.assign(columns, { times, values, severities })
}
