// The trend screen: the address is the view, the session draws it, the legend reads it.
import { useQueries } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { useCallback, useEffect, useMemo } from 'react'
import { signalQuery } from '../../api/queries'
import type { Signal } from '../../api/types'
import { leafOf } from '../../lib/tags'
import { seedHub } from '../../live/seed'
import { useHub } from '../../live/use-live'
import { formatView, mostPens, parseView, type TrendView } from '../../trend/view'
import { Message } from '../../ui/message'
import { AddSignal } from './add-signal'
import { Chart } from './chart'
import { Legend } from './legend'
import './page.css'
import { SampleTable } from './sample-table'
import { Toolbar } from './toolbar'
import { useTrendSession } from './use-trend-session'

const route = getRouteApi('/shell/trend')

export function TrendPage() {
  const search = route.useSearch()
  const navigate = useNavigate()
  const hub = useHub()
  const view = useMemo(() => parseView(search), [search])
  const { signals, missing, pending } = useSignals(view.tags)

  const change = useCallback(
    (part: Partial<TrendView>) =>
      void navigate({ to: '/trend', search: (old) => formatView({ ...parseView(old), ...part }) }),
    [navigate],
  )
  const session = useTrendSession(view.range, signals, useCallback((range) => change({ range }), [change]))

  useEffect(() => {
    document.title = view.tags.length > 0 ? `${view.tags.map(leafOf).join(', ')} · Trend · ParX` : 'Trend · ParX'
  }, [view.tags])
  useEffect(() => seedHub(hub, signals), [hub, signals])

  // What the hand has just done to the time must not be undone by a button pressed at once after it.
  const choose = (part: Partial<TrendView>) => change({ range: session?.takeRange() ?? view.range, ...part })
  const add = (tag: string) => choose({ tags: [...view.tags.filter((held) => held !== tag), tag] })
  const remove = (tag: string) => choose({ tags: view.tags.filter((held) => held !== tag) })

  return (
    <div className="page trend-page">
      <div className="page-head">
        <h1>Trend</h1>
        <AddSignal chosen={view.tags} onAdd={add} full={view.tags.length >= mostPens} />
        <span className="spring" />
        {session ? <Toolbar session={session} view={view} onChange={choose} /> : null}
      </div>
      {missing.map((tag) => (
        <div key={tag} className="trend-missing" role="status">
          There is no signal <strong>{tag}</strong>.
          <button type="button" className="button" onClick={() => remove(tag)}>
            Leave it out
          </button>
        </div>
      ))}
      {view.tags.length === 0 ? (
        <div className="table-frame">
          <Message
            title="No signal is chosen yet."
            hint="Add one by its tag or description above, or select some in the list of signals."
          />
        </div>
      ) : session && !pending ? (
        <>
          {view.table ? <SampleTable session={session} /> : <Chart session={session} view={view} signals={signals} />}
          <Legend session={session} signals={signals} onRemove={remove} />
        </>
      ) : (
        <div className="table-frame">
          <Message title="Asking the server…" />
        </div>
      )}
    </div>
  )
}

/** The definitions of these signals, in this order; those that do not exist by name. */
function useSignals(tags: string[]): { signals: Signal[]; missing: string[]; pending: boolean } {
  return useQueries({
    queries: tags.map((tag) => signalQuery(tag)),
    combine: (answers) => ({
      signals: answers.map((answer) => answer.data).filter((signal) => signal != null),
      missing: tags.filter((_, i) => answers[i]?.data === null),
      pending: answers.some((answer) => answer.isPending),
    }),
  })
}
