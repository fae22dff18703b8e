// One row of the list: a heading of a path, or a signal whose cells are painted outside React.
import { Link } from '@tanstack/react-router'
import { useRef } from 'react'
import type { Signal } from '../../api/types'
import { leafOf, type GroupedRow } from '../../lib/tags'
import { dateTime, utc } from '../../lib/time'
import { unitLabel } from '../../lib/units'
import { say, setText, writeSaid } from '../../live/present'
import { useHub, useSink } from '../../live/use-live'
import { Spark } from './spark'

type Place = { index: number; top: number; active: boolean; onFocus: () => void }

const at = (top: number) => ({ transform: `translateY(${top}px)` })
const paintEveryMs = 100

type GroupProps = Place & {
  row: Extract<GroupedRow<Signal>, { kind: 'group' }>
  onToggle: (path: string) => void
}

export function GroupRow({ row, index, top, active, onFocus, onToggle }: GroupProps) {
  return (
    <div
      id={`signal-row-${index}`}
      role="row"
      aria-rowindex={index + 2}
      aria-level={1}
      aria-expanded={row.open}
      className="signal-group"
      data-active={active}
      style={at(top)}
    >
      <span role="gridcell" aria-colspan={8}>
        <button
          type="button"
          tabIndex={-1}
          onClick={() => {
            onFocus()
            onToggle(row.path)
          }}
        >
          <span className="signal-twist" data-open={row.open} aria-hidden="true" />
          <span className="signal-path">{row.path === '' ? 'No path' : row.path.split('/').join(' / ')}</span>
          <span className="muted">{row.count}</span>
        </button>
      </span>
    </div>
  )
}

type SignalProps = Place & { signal: Signal; selected: boolean; onToggle: (tag: string) => void }

export function SignalRow({ signal, index, top, active, selected, onFocus, onToggle }: SignalProps) {
  const hub = useHub()
  const value = useRef<HTMLSpanElement>(null)
  const quality = useRef<HTMLSpanElement>(null)
  const time = useRef<HTMLSpanElement>(null)
  useSink([signal.tag], paintEveryMs, (now) => {
    const last = hub.last(signal.tag)
    writeSaid(say(signal, last, now, hub.linkLost), value.current, quality.current)
    if (time.current) setText(time.current, last ? dateTime(last.timeMs, now) : '–')
  })
  return (
    <div
      id={`signal-row-${index}`}
      role="row"
      aria-rowindex={index + 2}
      aria-level={2}
      aria-selected={selected}
      className="signal-row"
      data-active={active}
      style={at(top)}
      onMouseDown={onFocus}
    >
      <span role="gridcell" data-column="Select">
        <input
          type="checkbox"
          tabIndex={-1}
          checked={selected}
          aria-label={`Select ${signal.tag}`}
          onChange={() => onToggle(signal.tag)}
        />
      </span>
      <span role="gridcell" data-column="Tag">
        <Link to="/trend" search={{ tags: signal.tag, range: '15m' }} tabIndex={-1} title={signal.tag}>
          {leafOf(signal.tag)}
        </Link>
      </span>
      <span role="gridcell" data-column="Description" title={signal.description}>
        {signal.description}
      </span>
      <span role="gridcell" data-column="Last 10 min">
        <Spark signal={signal} />
      </span>
      <span role="gridcell" data-column="Value">
        <span ref={value} className="value" />
      </span>
      <span role="gridcell" data-column="Unit">
        {unitLabel(signal.unit)}
      </span>
      <span role="gridcell" data-column="Quality">
        <span ref={quality} className="quality" />
      </span>
      <span
        role="gridcell"
        data-column="Time"
        onMouseEnter={(event) => {
          const last = hub.last(signal.tag)
          event.currentTarget.title = last ? utc(last.timeMs) : ''
        }}
      >
        <span ref={time} />
      </span>
    </div>
  )
}
