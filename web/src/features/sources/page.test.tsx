import { render, screen, within } from '@testing-library/react'
import { expect, test } from 'vitest'
import type { Source } from '../../api/types'
import { SourcesTable } from './page'

const now = Date.UTC(2026, 10, 25, 12)
const source = (over: Partial<Source>): Source => ({
  name: 'plc-a',
  driver: 'enip',
  enabled: true,
  state: 'CONNECTED',
  since: '2026-11-25T11:58:00Z',
  error: null,
  signals: 12,
  readings: '1234567',
  recorded: '1000',
  unchanged: '0',
  refused: '0',
  ...over,
})

test('shows state in words, since when, and counters that are not rounded', () => {
  render(<SourcesTable sources={[source({ readings: '9007199254740993' })]} now={now} />)
  const row = screen.getByRole('row', { name: /plc-a/ })
  expect(row).toHaveTextContent('Connected')
  expect(row).toHaveTextContent('2 min')
  expect(within(row).getByText('9,007,199,254,740,993')).toBeVisible()
})

test('an error is told in full below its source', () => {
  render(<SourcesTable sources={[source({ state: 'WAITING', error: 'Port 502 refused the connection.' })]} now={now} />)
  expect(screen.getByText('Waiting to try again')).toBeVisible()
  expect(screen.getByText('Port 502 refused the connection.')).toBeVisible()
})

test('no source is said, not shown as an empty table', () => {
  render(<SourcesTable sources={[]} now={now} />)
  expect(screen.getByRole('status')).toHaveTextContent('No source is configured yet.')
})
