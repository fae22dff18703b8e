// The configured connections: state and since when, the error in words, and what became of the readings.
import { useQuery } from '@tanstack/react-query'
import { useEffect } from 'react'
import { sourcesQuery } from '../../api/queries'
import { ApiError } from '../../api/request'
import type { Source } from '../../api/types'
import { formatCount, plural, sentence } from '../../lib/format'
import { dateTime, duration, utc } from '../../lib/time'
import { useHub } from '../../live/use-live'
import { Message } from '../../ui/message'
import './page.css'

const states: Record<Source['state'], { glyph: string; word: string }> = {
  CONNECTED: { glyph: '●', word: 'Connected' },
  CONNECTING: { glyph: '○', word: 'Connecting' },
  WAITING: { glyph: '✕', word: 'Waiting to try again' },
  OFF: { glyph: '–', word: 'Off' },
}

export function SourcesPage() {
  const hub = useHub()
  const sources = useQuery(sourcesQuery)
  useEffect(() => {
    document.title = 'Sources · ParX'
  }, [])
  return (
    <div className="page">
      <div className="page-head">
        <h1>Sources</h1>
        {sources.data ? <span className="muted">{summary(sources.data)}</span> : null}
      </div>
      <div className="table-frame" role="region" aria-label="Sources" tabIndex={0}>
        {sources.data ? (
          <SourcesTable sources={sources.data} now={hub.now()} />
        ) : sources.error instanceof ApiError ? (
          <Message kind="error" title={sources.error.message} hint={sources.error.hint} />
        ) : (
          <Message title="Asking the server…" />
        )}
      </div>
    </div>
  )
}

function summary(sources: Source[]): string {
  const connected = sources.filter((s) => s.state === 'CONNECTED').length
  return `${connected} of ${plural(sources.length, 'source')} connected`
}

export function SourcesTable({ sources, now }: { sources: Source[]; now: number }) {
  if (sources.length === 0) {
    return <Message title="No source is configured yet." hint="A source is a connection to a device, server or broker." />
  }
  return (
    <table className="table sources">
      <caption className="visually-hidden">Connections to devices, servers and brokers</caption>
      <thead>
        <tr>
          <th scope="col">Source</th>
          <th scope="col">State</th>
          <th scope="col">Since</th>
          <th scope="col" className="number">Signals</th>
          <th scope="col" className="number">Readings</th>
          <th scope="col" className="number">Recorded</th>
          <th scope="col" className="number">Unchanged</th>
          <th scope="col" className="number">Refused</th>
        </tr>
      </thead>
      {sources.map((source) => (
        <SourceRows key={source.name} source={source} now={now} />
      ))}
    </table>
  )
}

function SourceRows({ source, now }: { source: Source; now: number }) {
  const state = states[source.state]
  const since = source.since ? Date.parse(source.since) : null
  return (
    <tbody data-state={source.state}>
      <tr>
        <th scope="row" className="source-name">
          {source.name} <span className="muted">{source.driver}</span>
        </th>
        <td className="source-state">
          <span className="source-glyph" aria-hidden="true">{state.glyph}</span>
          {source.enabled ? state.word : 'Off'}
        </td>
        <td className="source-since">
          {since === null ? (
            <span className="muted">–</span>
          ) : (
            <time dateTime={source.since ?? ''} title={utc(since)}>
              {dateTime(since, now)} <span className="muted">{duration(now - since)}</span>
            </time>
          )}
        </td>
        <td className="number">{formatCount(source.signals)}</td>
        <td className="number">{formatCount(source.readings)}</td>
        <td className="number">{formatCount(source.recorded)}</td>
        <td className="number">{formatCount(source.unchanged)}</td>
        <td className="number">{formatCount(source.refused)}</td>
      </tr>
      {source.error ? (
        <tr>
          <td colSpan={8} className="source-error">
            <div>{sentence(source.error)}</div>
          </td>
        </tr>
      ) : null}
    </tbody>
  )
}
