// Whether what the screen shows is current: live, connecting, or lost since when.
import { useEffect, useState } from 'react'
import { stopwatch } from '../lib/time'
import { useLink } from '../live/use-live'

export function LinkState() {
  const link = useLink()
  const now = useNow(link.kind === 'lost')
  if (link.kind === 'live') {
    const ms = link.roundTripMs === null ? '' : `${Math.max(1, Math.round(link.roundTripMs))} ms`
    return (
      <span className="link" data-kind="live" title="Time to the server and back">
        <span aria-hidden="true">●</span>
        <span className="link-word">Live</span>
        <span className="link-time">{ms}</span>
      </span>
    )
  }
  if (link.kind === 'connecting') {
    return (
      <span className="link" data-kind="connecting" role="status">
        <span aria-hidden="true">○</span>
        <span className="link-word">Connecting</span>
      </span>
    )
  }
  return (
    <span className="link" data-kind="lost">
      <span aria-hidden="true">✕</span>
      <span>
        Lost {stopwatch(now - link.since)}
        <span className="wide-only">: values are stale</span>
      </span>
      <span className="visually-hidden" role="status">
        The link to the server is lost. Values are stale.
      </span>
    </span>
  )
}

function useNow(ticking: boolean): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    if (!ticking) return
    setNow(Date.now())
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [ticking])
  return now
}
