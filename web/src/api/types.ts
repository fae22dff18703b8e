// Short names for the shapes that the generated operations answer with.
import type { SignalFieldsFragment, SourcesQuery, TrendQuery } from './generated/graphql'

export type Signal = SignalFieldsFragment
export type Source = SourcesQuery['sources'][number]
export type TrendAnswer = TrendQuery['trend']
export type PenColumns = TrendAnswer['pens'][number]
