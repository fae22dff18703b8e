// The trend as a table: the newest samples in sight, for readers and for those who want the numbers.
// It is taken anew every few seconds while the trend follows, so that it can be read in peace.
import { useEffect, useState, useSyncExternalStore } from 'react'
import { clockTimeExact, shortDate, utc } from '../../lib/time'
import { unitLabel } from '../../lib/units'
import { sayValue } from '../../live/present'
import { joinRows, type JoinedRow } from '../../trend/columns'
import type { Pen } from '../../trend/pen'
import type { TrendSession } from '../../trend/session'
import { Message } from '../../ui/message'

const most = 500
const againMs = 5_000

export function SampleTable({ session }: { session: TrendSession }) {
  const status = useSyncExternalStore(session.subscribe, session.snapshot)
  const [round, setRound] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => {
      session.check()
      if (session.range.kind === 'live') setRound((n) => n + 1)
    }, againMs)
    return () => clearInterval(timer)
  }, [session])
  const { from, to } = session.window()
  const rows = joinRows(
    session.pens.map((pen) => pen.columns),
    from,
    to,
    most,
  )
  return (
    <div
      className="table-frame"
      role="region"
      aria-label="Samples in sight"
      tabIndex={0}
      data-round={round}
      data-answers={status.answers}
    >
      {rows.length === 0 ? (
        <Message title={status.loading ? 'Loading…' : 'No sample lies in this time.'} />
      ) : (
        <table className="table sample-table">
          <caption className="muted">
            {rows.length === most ? `The newest ${most} times in sight.` : `${rows.length} times.`} Long ranges show of
            each pixel the first, lowest, highest and last sample.
          </caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              {session.pens.map(({ signal }) => (
                <th key={signal.tag} scope="col" className="number">
                  {signal.tag} {unitLabel(signal.unit)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <SampleRow key={row.timeMs} row={row} pens={session.pens} />
            ))}
          </tbody>
        </table>
      )}
    </div>
  )
}

function SampleRow({ row, pens }: { row: JoinedRow; pens: readonly Pen[] }) {
  return (
    <tr>
      <th scope="row">
        <time dateTime={new Date(row.timeMs).toISOString()} title={utc(row.timeMs)}>
          {shortDate(row.timeMs)} {clockTimeExact(row.timeMs)}
        </time>
      </th>
      {pens.map((pen, p) => (
        <td key={pen.signal.tag} className="number">
          {sampleText(pen, row.indexes[p] ?? -1)}
        </td>
      ))}
    </tr>
  )
}

function sampleText({ columns, signal }: Pen, i: number): string {
  if (i < 0) return ''
  const severity = columns.severities[i] ?? 0
  if (severity === 2) return '✕ Bad'
  const text = sayValue(signal, columns.values[i] ?? null, columns.texts?.[i] ?? null)
  return severity === 1 ? `? ${text}` : text
}
