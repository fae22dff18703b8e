// The table under the chart: each pen with its last value, quality, the value at the cursor, and the
// lowest and highest in sight. Numbers are painted outside React.
import { useEffect, useRef } from 'react'
import type { Signal } from '../../api/types'
import { dateTime, utc } from '../../lib/time'
import { unitLabel } from '../../lib/units'
import { say, sayValue, setText, writeSaid } from '../../live/present'
import { useHub } from '../../live/use-live'
import { readAt } from '../../trend/columns'
import { measure } from '../../trend/paint'
import { penToken } from '../../trend/pen'
import type { TrendSession } from '../../trend/session'
import { CloseIcon } from '../../ui/icons'

type Props = { session: TrendSession; signals: readonly Signal[]; onRemove: (tag: string) => void }

export function Legend({ session, signals, onRemove }: Props) {
  return (
    <div className="legend" role="region" aria-label="Legend" tabIndex={0}>
      <table className="table">
        <caption className="visually-hidden">Signals of this trend</caption>
        <thead>
          <tr>
            <th scope="col">Signal</th>
            <th scope="col" className="number">Now</th>
            <th scope="col">Unit</th>
            <th scope="col">Quality</th>
            <th scope="col">Time</th>
            <th scope="col" className="number">At cursor</th>
            <th scope="col" className="number">Lowest</th>
            <th scope="col" className="number">Highest</th>
            <th scope="col">
              <span className="visually-hidden">Remove</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {signals.map((signal, i) => (
            <LegendRow key={signal.tag} session={session} signal={signal} number={i + 1} onRemove={onRemove} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

type RowProps = { session: TrendSession; signal: Signal; number: number; onRemove: (tag: string) => void }

function LegendRow({ session, signal, number, onRemove }: RowProps) {
  const hub = useHub()
  const row = useRef<HTMLTableRowElement>(null)

  useEffect(() => {
    const cell = (name: string) => row.current?.querySelector<HTMLElement>(`[data-cell=${name}]`) ?? null
    const cells = { now: cell('now'), quality: cell('quality'), time: cell('time'), cursor: cell('cursor'), low: cell('low'), high: cell('high') }
    const sink = hub.addSink({
      tags: [signal.tag],
      everyMs: 100,
      paint: (serverNow) => {
        const last = hub.last(signal.tag)
        writeSaid(say(signal, last, serverNow, hub.linkLost), cells.now, cells.quality)
        if (cells.time) {
          setText(cells.time, last ? dateTime(last.timeMs, serverNow) : '–')
          cells.time.title = last ? utc(last.timeMs) : ''
        }
        paintSight(session, signal, cells)
      },
    })
    const offRedraw = session.onRedraw(sink.poke)
    return () => {
      offRedraw()
      sink.remove()
    }
  }, [hub, session, signal])

  return (
    <tr ref={row}>
      <th scope="row" className="legend-signal" title={signal.description}>
        <span className="legend-pen" data-pen={penToken(number)} aria-hidden="true">
          {number}
        </span>
        <span className="legend-tag">{signal.tag}</span>
      </th>
      <td className="number">
        <span className="value" data-cell="now" />
      </td>
      <td className="muted">{unitLabel(signal.unit)}</td>
      <td className="legend-quality">
        <span className="quality" data-cell="quality" />
      </td>
      <td className="muted legend-time">
        <span className="tabular" data-cell="time" />
      </td>
      <td className="number" data-cell="cursor" />
      <td className="number muted" data-cell="low" />
      <td className="number muted" data-cell="high" />
      <td className="legend-remove">
        <button
          type="button"
          className="button"
          data-kind="quiet"
          aria-label={`Remove ${signal.tag}`}
          onClick={() => onRemove(signal.tag)}
        >
          <CloseIcon />
        </button>
      </td>
    </tr>
  )
}

type SightCells = { cursor: HTMLElement | null; low: HTMLElement | null; high: HTMLElement | null }

function paintSight(session: TrendSession, signal: Signal, cells: SightCells): void {
  const pen = session.pens.find((p) => p.signal.tag === signal.tag)
  if (!pen) return
  // The picture measures too, but it is not there while the samples are shown as a table.
  measure(pen, session.window())
  const { low, high } = pen.inSight
  const number = pen.shape === 'number' && low <= high
  if (cells.low) setText(cells.low, number ? sayValue(signal, low, null) : '')
  if (cells.high) setText(cells.high, number ? sayValue(signal, high, null) : '')
  if (!cells.cursor) return
  const reading = session.cursor === null ? null : readAt(pen.columns, session.cursor, signal.stepped)
  if (!reading) setText(cells.cursor, '')
  else if (reading.severity === 2) setText(cells.cursor, '✕ Bad')
  else setText(cells.cursor, `${reading.severity === 1 ? '? ' : ''}${sayValue(signal, reading.value, reading.text)}`)
}
