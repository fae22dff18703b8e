// Buttons over the chart: which time, follow or stop, zoom and pan without a mouse, how it is drawn.
import { useSyncExternalStore } from 'react'
import { useLink } from '../../live/use-live'
import type { TrendSession } from '../../trend/session'
import type { TrendView } from '../../trend/view'
import { RangePicker } from './range-picker'

type Props = { session: TrendSession; view: TrendView; onChange: (part: Partial<TrendView>) => void }

export function Toolbar({ session, view, onChange }: Props) {
  const { following, loading } = useSyncExternalStore(session.subscribe, session.snapshot)
  const lost = useLink().kind === 'lost'
  const [glyph, word] = following ? (lost ? ['◷', 'Waiting'] : ['●', 'Live']) : ['❚❚', 'Paused']
  const quarter = () => (session.window().to - session.window().from) / 4
  return (
    <div className="trend-toolbar" role="toolbar" aria-label="Trend">
      <span className="trend-loading" data-on={loading} aria-hidden="true">
        Loading…
      </span>
      <button
        type="button"
        className="button trend-live"
        aria-pressed={following}
        onClick={() => session.togglePause()}
        title={following ? 'Stop here (Space)' : 'Follow now again (Space)'}
      >
        <span aria-hidden="true">{glyph}</span>
        {word}
      </button>
      <RangePicker session={session} range={view.range} onChange={(range) => onChange({ range })} />
      <span className="button-group">
        <button type="button" className="button" aria-label="Earlier" title="Earlier (Shift ←)" onClick={() => session.panBy(-quarter())}>
          ←
        </button>
        <button type="button" className="button" aria-label="Zoom out" title="Zoom out (−)" onClick={() => session.zoomBy(2)}>
          −
        </button>
        <button type="button" className="button" aria-label="Zoom in" title="Zoom in (+)" onClick={() => session.zoomBy(0.5)}>
          +
        </button>
        <button type="button" className="button" aria-label="Later" title="Later (Shift →)" onClick={() => session.panBy(quarter())}>
          →
        </button>
      </span>
      <span className="button-group">
        <button type="button" className="button" aria-pressed={view.mode === 'lanes'} onClick={() => onChange({ mode: 'lanes' })}>
          Lanes
        </button>
        <button type="button" className="button" aria-pressed={view.mode === 'overlay'} onClick={() => onChange({ mode: 'overlay' })}>
          Overlay
        </button>
      </span>
      <button
        type="button"
        className="button"
        aria-pressed={view.scale === 'full'}
        title="Show the whole range that a signal is defined with"
        onClick={() => onChange({ scale: view.scale === 'full' ? 'auto' : 'full' })}
      >
        Full scale
      </button>
      <button type="button" className="button" aria-pressed={view.table} onClick={() => onChange({ table: !view.table })}>
        Show as table
      </button>
    </div>
  )
}
