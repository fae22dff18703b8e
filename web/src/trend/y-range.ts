// The vertical range of a lane: what the data needs, rounded outwards, and calm while data moves. Pure.
import type { Signal } from '../api/types'
import { shapeOf } from '../live/present'

export type YRange = [low: number, high: number]

/** Rounded outwards to steps that a person would choose, with a little air. */
export function niceRange(low: number, high: number): YRange {
  if (!(low <= high)) return [0, 1]
  const spread = high - low || Math.abs(high) * 0.1 || 1
  const air = high === low ? spread : spread * 0.06
  const step = niceStep((spread + 2 * air) / 8)
  // Air must not make what cannot be negative look as if it were.
  const from = low > 0 ? Math.max(0, low - air) : low - air
  return [Math.floor(from / step) * step, Math.ceil((high + air) / step) * step]
}

/** The range so far, as long as the data still fits it and fills it well enough. */
export function calmRange(held: YRange | null, low: number, high: number): YRange {
  if (held && low >= held[0] && high <= held[1] && high - low >= (held[1] - held[0]) * 0.4) return held
  return niceRange(low, high)
}

/** The range that a signal brings with it, whatever its data; null where it has none. */
export function definedRange(signal: Signal): YRange | null {
  const shape = shapeOf(signal)
  if (shape === 'switch') return [-0.3, 1.3]
  if (shape === 'state') {
    const numbers = signal.states.map((state) => state.number)
    return [Math.min(...numbers) - 0.5, Math.max(...numbers) + 0.5]
  }
  return signal.low !== null && signal.high !== null && signal.high > signal.low ? [signal.low, signal.high] : null
}

/** Switches and states always show all of their steps; numbers only when asked to. */
export function hasFixedRange(signal: Signal): boolean {
  const shape = shapeOf(signal)
  return shape === 'switch' || shape === 'state'
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough))
  const share = rough / power
  return (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10) * power
}
