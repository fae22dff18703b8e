// The only place where React meets the live path: the hub by context, the link, and sinks of elements.
import { createContext, useContext, useEffect, useEffectEvent, useSyncExternalStore } from 'react'
import type { Hub } from './hub'
import type { Link, LiveSocket } from './socket'

export type Live = { hub: Hub; socket: LiveSocket }

export const LiveContext = createContext<Live | null>(null)

export function useLive(): Live {
  const live = useContext(LiveContext)
  if (!live) throw new Error('useLive needs a LiveContext above it')
  return live
}

export function useHub(): Hub {
  return useLive().hub
}

export function useLink(): Link {
  const { socket } = useLive()
  return useSyncExternalStore(socket.onLink, socket.link)
}

/** Paints outside React whenever one of the signals changes, and each second. */
export function useSink(tags: readonly string[], everyMs: number, paint: (serverNow: number) => void): void {
  const hub = useHub()
  const key = tags.join('\n')
  const onPaint = useEffectEvent(paint)
  useEffect(() => {
    const sink = hub.addSink({
      tags: key === '' ? [] : key.split('\n'),
      everyMs,
      paint: (now) => onPaint(now),
    })
    return sink.remove
  }, [hub, key, everyMs])
}

/** Asks for the samples of these signals as long as the component is there. */
export function useWatch(tags: readonly string[]): void {
  const hub = useHub()
  const key = tags.join('\n')
  useEffect(() => hub.watch({ tags: key === '' ? [] : key.split('\n') }), [hub, key])
}
