// One signal on the chart: its definition, its colour and number, its samples.
// Dashes are kept for quality, so pens are told apart by colour and number, and in lanes by place.
import type { Signal } from '../api/types'
import { shapeOf, type Shape } from '../live/present'
import { emptyColumns, type Columns, type TailSample } from './columns'

export type PenToken = `pen-${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8}`

export type InSight = { low: number; high: number; count: number }

export type Pen = {
  signal: Signal
  shape: Shape
  number: number
  token: PenToken
  columns: Columns
  /** The newest live samples, kept to be put behind fresh history. */
  tail: TailSample[]
  inSight: InSight
}

export const penTokens: readonly PenToken[] = [
  'pen-1',
  'pen-2',
  'pen-3',
  'pen-4',
  'pen-5',
  'pen-6',
  'pen-7',
  'pen-8',
]

export function penToken(number: number): PenToken {
  return penTokens[(number - 1) % penTokens.length] ?? 'pen-1'
}

export function makePen(signal: Signal, number: number): Pen {
  return {
    signal,
    shape: shapeOf(signal),
    number,
    token: penToken(number),
    columns: emptyColumns(),
    tail: [],
    inSight: { low: Infinity, high: -Infinity, count: 0 },
  }
}
