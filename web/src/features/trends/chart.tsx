// Puts the picture of a session into the page and lends it keys, a name and a voice.
import { useEffect, useEffectEvent, useRef, useState, useSyncExternalStore } from 'react'
import 'uplot/dist/uPlot.min.css'
import type { Signal } from '../../api/types'
import { clockTime } from '../../lib/time'
import { unitLabel } from '../../lib/units'
import { sayValue } from '../../live/present'
import { readAt } from '../../trend/columns'
import { listenToGestures } from '../../trend/gestures'
import { TrendPicture } from '../../trend/picture'
import type { TrendSession } from '../../trend/session'
import type { TrendView } from '../../trend/view'

type Props = { session: TrendSession; view: TrendView; signals: readonly Signal[] }

export function Chart({ session, view, signals }: Props) {
  const host = useRef<HTMLDivElement>(null)
  const picture = useRef<TrendPicture | null>(null)
  const [spoken, setSpoken] = useState('')
  const status = useSyncExternalStore(session.subscribe, session.snapshot)
  const { mode, scale } = view

  const dress = useEffectEvent((made: TrendPicture) => made.setOptions({ mode, scale }))
  useEffect(() => {
    if (!host.current) return
    const made = new TrendPicture(host.current, session)
    dress(made)
    picture.current = made
    const quiet = listenToGestures(made, (time) => setSpoken(readAloud(session, time)))
    return () => {
      quiet()
      made.close()
      picture.current = null
    }
  }, [session])
  useEffect(() => picture.current?.setOptions({ mode, scale }), [mode, scale])

  return (
    <div className="trend-frame" data-loading={status.loading}>
      <div
        ref={host}
        className="trend-host"
        role="application"
        aria-roledescription="trend chart"
        aria-label={`Trend of ${signals.map((signal) => signal.tag).join(', ')}`}
        aria-describedby="trend-keys"
        tabIndex={0}
      />
      <p id="trend-keys" className="visually-hidden">
        Left and right move the cursor and read the values. Shift with left and right pans. Plus and minus zoom. Space
        stops and follows again. End goes back to now.
      </p>
      <p className="visually-hidden" role="status">
        {spoken}
      </p>
      {status.error ? (
        <p className="trend-error" role="alert">
          ✕ {status.error} The picture may be out of date.
        </p>
      ) : null}
    </div>
  )
}

function readAloud(session: TrendSession, time: number): string {
  const parts = session.pens.map(({ signal, columns }) => {
    const reading = readAt(columns, time, signal.stepped)
    if (!reading) return `${signal.tag}: no value`
    if (reading.severity === 2) return `${signal.tag}: bad`
    const text = `${signal.tag}: ${sayValue(signal, reading.value, reading.text)} ${unitLabel(signal.unit)}`
    return reading.severity === 1 ? `${text}, uncertain` : text
  })
  return `${clockTime(time)}. ${parts.join('. ')}`
}
