// How a signal's value is said: number with its decimals, state by name, on and off, or text.
// Pure; it is given the value and the clock.
import type { Signal } from '../api/types'
import { decimalsFor, formatNumber } from '../lib/format'
import { classify, reasonOf, stateGlyph, stateWord, type QualityState } from '../lib/quality'
import { duration } from '../lib/time'
import type { LiveValue } from './hub'

export type Shape = 'number' | 'state' | 'switch' | 'text'

type Typed = Pick<Signal, 'valueType' | 'states' | 'low' | 'high'>

export function shapeOf(signal: Pick<Signal, 'valueType' | 'states'>): Shape {
  if (signal.valueType === 'TEXT') return 'text'
  if (signal.states.length > 0) return 'state'
  return signal.valueType === 'BOOL' ? 'switch' : 'number'
}

export function sayValue(signal: Typed, value: number | null, text: string | null): string {
  if (signal.valueType === 'TEXT') return text ?? '–'
  if (value === null || Number.isNaN(value)) return '–'
  const state = signal.states.find((s) => s.number === value)
  if (state) return state.name
  if (signal.valueType === 'BOOL') return value === 0 ? 'Off' : 'On'
  return formatNumber(value, signal.valueType === 'INT' ? 0 : decimalsFor(signal.low, signal.high))
}

export type Said = { state: QualityState; value: string; glyph: string; quality: string }

/** Everything a row or a legend shows of a last value. */
export function say(
  signal: Typed & Pick<Signal, 'staleAfterMs'>,
  last: LiveValue | undefined,
  serverNow: number,
  linkLost: boolean,
): Said {
  const ageMs = last ? serverNow - last.timeMs : 0
  const state = classify(last?.severity ?? null, ageMs, signal.staleAfterMs, linkLost)
  const reason = last && (state === 'bad' || state === 'uncertain') ? reasonOf(last.quality) : ''
  const word = state === 'stale' ? `${stateWord.stale} ${duration(ageMs)}` : stateWord[state]
  return {
    state,
    value: last ? sayValue(signal, last.value, last.text) : '–',
    glyph: stateGlyph[state],
    quality: reason === '' ? word : `${word}: ${reason}`,
  }
}

/** Writes what is said into elements, touching only what has changed. */
export function writeSaid(said: Said, value: HTMLElement | null, quality: HTMLElement | null): void {
  if (value) {
    setText(value, said.value)
    setData(value, 'state', said.state)
  }
  if (quality) {
    setText(quality, said.quality)
    if (quality.title !== said.quality) quality.title = said.quality
    setData(quality, 'state', said.state)
    setData(quality, 'glyph', said.glyph)
  }
}

export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

function setData(element: HTMLElement, key: string, value: string): void {
  if (element.dataset[key] !== value) element.dataset[key] = value
}
