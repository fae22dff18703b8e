// Chooses the time of a trend: a span up to now, or a beginning and an end.
import { useRef, useState, type FormEvent } from 'react'
import { duration, fromLocalInput, fullDate, clockTime, shortDate, toLocalInput, utc, zoneLabel } from '../../lib/time'
import { parseSpan, shortestMs, type Range } from '../../trend/range'
import type { TrendSession } from '../../trend/session'

const spans: [text: string, label: string][] = [
  ['5m', '5 minutes'],
  ['15m', '15 minutes'],
  ['1h', '1 hour'],
  ['8h', '8 hours'],
  ['24h', '24 hours'],
  ['7d', '7 days'],
  ['30d', '30 days'],
]

type Props = { session: TrendSession; range: Range; onChange: (range: Range) => void }

export function RangePicker({ session, range, onChange }: Props) {
  const panel = useRef<HTMLDivElement>(null)
  const [shown, setShown] = useState({ from: '', to: '' })
  const [problem, setProblem] = useState('')

  const opening = () => {
    const { from, to } = session.window()
    setShown({ from: toLocalInput(from), to: toLocalInput(to) })
    setProblem('')
  }
  const choose = (next: Range) => {
    panel.current?.hidePopover()
    onChange(next)
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const from = fromLocalInput(shown.from)
    const to = fromLocalInput(shown.to)
    if (from === null || to === null) setProblem('Give both times.')
    else if (to - from < shortestMs) setProblem('The end has to be after the beginning.')
    else choose({ kind: 'fixed', from, to })
  }

  return (
    <>
      <button
        type="button"
        className="button range-button"
        popoverTarget="range-panel"
        onClick={opening}
        title={range.kind === 'fixed' ? `${utc(range.from)} to ${utc(range.to)}` : undefined}
      >
        <span>{rangeLabel(range)}</span>
        <span aria-hidden="true">▾</span>
      </button>
      <div ref={panel} id="range-panel" popover="auto" className="range-panel" aria-label="Time range">
        <div className="range-spans" role="group" aria-label="Up to now">
          {spans.map(([text, label]) => {
            const spanMs = parseSpan(text) ?? 0
            const current = range.kind === 'live' && range.spanMs === spanMs
            return (
              <button
                key={text}
                type="button"
                className="button"
                aria-pressed={current}
                onClick={() => choose({ kind: 'live', spanMs })}
              >
                Last {label}
              </button>
            )
          })}
        </div>
        <form className="range-fixed" aria-label="From and to" onSubmit={submit}>
          <label className="field">
            <span>From</span>
            <input
              className="input"
              type="datetime-local"
              step="1"
              value={shown.from}
              onChange={(event) => setShown({ ...shown, from: event.target.value })}
            />
          </label>
          <label className="field">
            <span>To</span>
            <input
              className="input"
              type="datetime-local"
              step="1"
              value={shown.to}
              onChange={(event) => setShown({ ...shown, to: event.target.value })}
            />
          </label>
          <p className="muted">Times in {zoneLabel()}</p>
          {problem === '' ? null : (
            <p className="range-problem" role="alert">
              ✕ {problem}
            </p>
          )}
          <button type="submit" className="button" data-kind="primary">
            Show
          </button>
        </form>
      </div>
    </>
  )
}

export function rangeLabel(range: Range): string {
  if (range.kind === 'live') {
    const named = spans.find(([text]) => parseSpan(text) === Math.round(range.spanMs / 1000) * 1000)
    return `Last ${named?.[1] ?? duration(range.spanMs)}`
  }
  const { from, to } = range
  return fullDate(from) === fullDate(to)
    ? `${shortDate(from)} ${clockTime(from)} – ${clockTime(to)}`
    : `${shortDate(from)} ${clockTime(from)} – ${shortDate(to)} ${clockTime(to)}`
}
