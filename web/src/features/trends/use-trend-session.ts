// Gives a component its trend session: made with the screen, told of new signals and ranges, closed with it.
import { useEffect, useEffectEvent, useState } from 'react'
import type { Signal } from '../../api/types'
import type { Hub } from '../../live/hub'
import { useHub } from '../../live/use-live'
import type { Range } from '../../trend/range'
import { TrendSession } from '../../trend/session'

export function useTrendSession(
  range: Range,
  signals: readonly Signal[],
  onSettled: (range: Range) => void,
): TrendSession | null {
  const hub = useHub()
  const [session, setSession] = useState<TrendSession | null>(null)
  const begin = useEffectEvent((on: Hub) => new TrendSession(on, range))
  const settled = useEffectEvent(onSettled)
  useEffect(() => {
    const made = begin(hub)
    made.onSettled((next) => settled(next))
    setSession(made)
    return () => made.close()
  }, [hub])
  useEffect(() => session?.setSignals(signals), [session, signals])
  useEffect(() => session?.setRange(range), [session, range])
  return session
}
