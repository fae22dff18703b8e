// The list of signals with their last values: search, selection, and the way to the trend.
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { useEffect, useMemo, useState } from 'react'
import { signalsQuery } from '../../api/queries'
import { ApiError } from '../../api/request'
import { formatCount, plural } from '../../lib/format'
import { groupByPath } from '../../lib/tags'
import { seedHub } from '../../live/seed'
import { useHub } from '../../live/use-live'
import { Message } from '../../ui/message'
import './page.css'
import { SearchBox } from './search-box'
import { SignalGrid } from './signal-grid'

const route = getRouteApi('/shell/signals')
const limit = 2000

export function SignalsPage() {
  const { q = '' } = route.useSearch()
  const navigate = useNavigate()
  const hub = useHub()
  const answer = useQuery(signalsQuery(q, limit))
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set())
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set())
  const signals = answer.data?.signals
  const rows = useMemo(() => groupByPath(signals ?? [], closed), [signals, closed])

  useEffect(() => {
    document.title = 'Signals · ParX'
  }, [])
  useEffect(() => {
    if (signals) seedHub(hub, signals)
  }, [hub, signals])

  const openTrend = (tags: readonly string[]) =>
    void navigate({ to: '/trend', search: { tags: tags.join(','), range: '15m' } })

  return (
    <div className="page">
      <div className="page-head">
        <h1>Signals</h1>
        <SearchBox
          value={q}
          onChange={(text) =>
            void navigate({ to: '/signals', search: text === '' ? {} : { q: text }, replace: true })
          }
        />
        <span className="muted" role="status">
          {answer.data ? countLabel(answer.data.signalCount, answer.data.signals.length, q) : ''}
        </span>
        <span className="spring" />
        {selected.size > 0 ? (
          <button type="button" className="button" data-kind="quiet" onClick={() => setSelected(new Set())}>
            Clear selection
          </button>
        ) : (
          <span className="muted wide-only">Select signals to see them together.</span>
        )}
        {selected.size > 0 ? (
          <Link
            className="button"
            data-kind="primary"
            to="/trend"
            search={{ tags: [...selected].join(','), range: '15m' }}
          >
            Trend {plural(selected.size, 'signal')}
          </Link>
        ) : (
          <button type="button" className="button" data-kind="primary" disabled>
            Trend
          </button>
        )}
      </div>
      {signals && signals.length > 0 ? (
        <SignalGrid
          rows={rows}
          selected={selected}
          onToggle={(tag) => setSelected((held) => toggled(held, tag))}
          onToggleGroup={(path) => setClosed((held) => toggled(held, path))}
          onTrend={(tag) => openTrend(selected.size > 0 ? [...selected] : [tag])}
        />
      ) : (
        <div className="table-frame">
          {answer.error instanceof ApiError ? (
            <Message kind="error" title={answer.error.message} hint={answer.error.hint} />
          ) : answer.isPending ? (
            <Message title="Asking the server…" />
          ) : q === '' ? (
            <Message title="No signal is defined yet." hint="Signals appear here as soon as a source has some." />
          ) : (
            <Message title={`No tag or description contains “${q}”.`} hint="Every word of the search has to occur." />
          )}
        </div>
      )}
    </div>
  )
}

function countLabel(count: number, shown: number, search: string): string {
  if (shown < count) return `First ${formatCount(shown)} of ${formatCount(count)}: narrow the search`
  return search === '' ? plural(count, 'signal') : `${plural(count, 'signal')} found`
}

function toggled(set: ReadonlySet<string>, item: string): ReadonlySet<string> {
  const next = new Set(set)
  if (!next.delete(item)) next.add(item)
  return next
}
