// What a value's quality and age mean to the person who reads it. Pure: the clock comes in as an age.
// It does not know where values come from, nor how a state is drawn.

/** 0 good, 1 uncertain, 2 bad: the two top bits of an OPC UA status code. */
export type Severity = 0 | 1 | 2

export type QualityState = 'good' | 'uncertain' | 'bad' | 'stale' | 'none'

export function severityOf(statusCode: number): Severity {
  const top = Math.floor(statusCode / 0x4000_0000)
  return top <= 0 ? 0 : top === 1 ? 1 : 2
}

/**
 * The state to show. `severity` is null where there never was a value, `ageMs` is reckoned with the
 * server's clock, `staleAfterMs` is null where no value is expected, and `linkLost` makes everything stale.
 * Bad wins over stale: that a value is wrong matters more than that it is old.
 */
export function classify(
  severity: Severity | null,
  ageMs: number,
  staleAfterMs: number | null,
  linkLost = false,
): QualityState {
  if (severity === null) return 'none'
  if (severity === 2) return 'bad'
  if (linkLost) return 'stale'
  if (staleAfterMs !== null && ageMs > staleAfterMs) return 'stale'
  return severity === 1 ? 'uncertain' : 'good'
}

export const stateWord: Record<QualityState, string> = {
  good: 'Good',
  uncertain: 'Uncertain',
  bad: 'Bad',
  stale: 'Stale',
  none: 'No value yet',
}

export const stateGlyph: Record<QualityState, string> = {
  good: '●',
  uncertain: '?',
  bad: '✕',
  stale: '◷',
  none: '–',
}

// The upper half of the code holds the reason; the lower half holds flags that no reader needs here.
const reasons = new Map<number, string>([
  [0x8002, 'internal error'],
  [0x8005, 'communication error'],
  [0x800a, 'timed out'],
  [0x800d, 'server not connected'],
  [0x8031, 'no communication'],
  [0x8032, 'waiting for first data'],
  [0x8033, 'address not valid'],
  [0x8034, 'address unknown'],
  [0x803a, 'not readable'],
  [0x803c, 'out of range'],
  [0x8089, 'configuration error'],
  [0x808a, 'not connected'],
  [0x808b, 'device failure'],
  [0x808c, 'sensor failure'],
  [0x808d, 'out of service'],
  [0x4090, 'last usable value'],
  [0x4091, 'substitute value'],
  [0x4092, 'initial value'],
  [0x4093, 'sensor not accurate'],
  [0x4094, 'range exceeded'],
  [0x4095, 'partly good inputs'],
  [0x408f, 'no communication, last usable value'],
])

/** Why a value is not good, in a few words; empty where the code says no more than its severity. */
export function reasonOf(statusCode: number): string {
  return reasons.get(Math.floor(statusCode / 0x1_0000)) ?? ''
}
