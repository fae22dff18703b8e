import { act, render, screen } from '@testing-library/react'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Hub } from '../live/hub'
import type { Link, LiveSocket } from '../live/socket'
import { LiveContext } from '../live/use-live'
import { LinkState } from './link-state'

let link: Link
let listeners: Set<() => void>
let hub: Hub

const socket: LiveSocket = {
  link: () => link,
  onLink: (listener) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  },
  subscribe: () => () => {},
  close: () => {},
}

function become(next: Link) {
  act(() => {
    link = next
    for (const listener of listeners) listener()
  })
}

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 })
  listeners = new Set()
  link = { kind: 'connecting' }
  hub = new Hub(socket)
  render(
    <LiveContext value={{ hub, socket }}>
      <LinkState />
    </LiveContext>,
  )
})

afterEach(() => {
  hub.close()
  vi.useRealTimers()
})

test('says that it is connecting, then how long the way takes', () => {
  expect(screen.getByRole('status')).toHaveTextContent('Connecting')
  become({ kind: 'live', roundTripMs: 23.6 })
  expect(screen.getByText('Live')).toBeVisible()
  expect(screen.getByText('24 ms')).toBeVisible()
})

test('counts the time since the link was lost, and announces it only once', () => {
  become({ kind: 'lost', since: 1_000_000 })
  act(() => vi.advanceTimersByTime(12_000))
  expect(screen.getByText(/^Lost 00:12/)).toBeVisible()
  expect(screen.getByRole('status')).toHaveTextContent('The link to the server is lost. Values are stale.')
})
