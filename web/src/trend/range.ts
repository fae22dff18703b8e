// Which time a trend shows: a span that ends now and moves on, or two fixed ends. Pure; the clock comes in.
// Milliseconds throughout. How a range is written in the address is here as well.

export type Range = { kind: 'live'; spanMs: number } | { kind: 'fixed'; from: number; to: number }
export type Window = { from: number; to: number }

export const shortestMs = 1_000
export const longestMs = 10 * 366 * 86_400_000
export const defaultRange: Range = { kind: 'live', spanMs: 900_000 }

const units: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** "90s", "15m", "8h" or "7d"; null where it is no such thing or out of bounds. */
export function parseSpan(text: string): number | null {
  const match = /^(\d+)([smhd])$/.exec(text)
  const unit = units[match?.[2] ?? '']
  if (!match || unit === undefined) return null
  const ms = Number(match[1]) * unit
  return ms >= shortestMs && ms <= longestMs ? ms : null
}

/** The shortest way to write a span, rounded to whole seconds. */
export function formatSpan(spanMs: number): string {
  const ms = Math.max(shortestMs, Math.round(spanMs / 1000) * 1000)
  for (const unit of ['d', 'h', 'm'] as const) {
    const size = units[unit] ?? 1
    if (ms % size === 0) return `${ms / size}${unit}`
  }
  return `${ms / 1000}s`
}

/** From the parts of the address: two times win over a span; what makes no sense is the default. */
export function parseRange(parts: { range?: string; from?: string; to?: string }): Range {
  const from = Date.parse(parts.from ?? '')
  const to = Date.parse(parts.to ?? '')
  if (Number.isFinite(from) && Number.isFinite(to) && to - from >= shortestMs && to - from <= longestMs) {
    return { kind: 'fixed', from, to }
  }
  const spanMs = parseSpan(parts.range ?? '')
  return spanMs === null ? defaultRange : { kind: 'live', spanMs }
}

export function formatRange(range: Range): { range: string } | { from: string; to: string } {
  if (range.kind === 'live') return { range: formatSpan(range.spanMs) }
  return { from: iso(range.from), to: iso(range.to) }
}

export function sameRange(a: Range, b: Range): boolean {
  return JSON.stringify(formatRange(a)) === JSON.stringify(formatRange(b))
}

export function windowOf(range: Range, now: number): Window {
  return range.kind === 'live' ? { from: now - range.spanMs, to: now } : { from: range.from, to: range.to }
}

/** Moves by a part of the span. Whoever arrives at now follows it again. */
export function pan(window: Window, byMs: number, now: number): Range {
  const to = window.to + byMs
  if (byMs > 0 && to >= now) return { kind: 'live', spanMs: window.to - window.from }
  return { kind: 'fixed', from: window.from + byMs, to }
}

/**
 * Makes the span `factor` times as long around `anchor`. A live range stays live as long as the anchor
 * is near its right end, because there the reader looks at now.
 */
export function zoom(range: Range, factor: number, anchor: number, now: number): Range {
  const window = windowOf(range, now)
  const span = window.to - window.from
  const next = Math.min(longestMs, Math.max(shortestMs, span * factor))
  if (range.kind === 'live' && anchor >= window.to - span * 0.15) return { kind: 'live', spanMs: next }
  const share = (anchor - window.from) / span
  const from = anchor - share * next
  if (from + next >= now) return { kind: 'live', spanMs: Math.min(longestMs, Math.max(shortestMs, now - from)) }
  return { kind: 'fixed', from, to: from + next }
}

function iso(ms: number): string {
  return new Date(Math.round(ms)).toISOString().replace('.000Z', 'Z')
}
