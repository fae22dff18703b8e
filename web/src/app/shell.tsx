// The frame around every screen: rail, top bar, and the live path that the screens share.
import { useQuery, useQueryClient, useSuspenseQuery } from '@tanstack/react-query'
import { Link, Outlet, useRouterState } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { changesDocument } from '../api/operations'
import { meQuery, serverQuery } from '../api/queries'
import { signOut } from '../api/request'
import { utc, zoneLabel } from '../lib/time'
import { Hub } from '../live/hub'
import { openSocket } from '../live/socket'
import { LiveContext, type Live } from '../live/use-live'
import type { TrendSearch } from '../trend/view'
import { SignalsIcon, SignOutIcon, SourcesIcon, TrendIcon } from '../ui/icons'
import { LinkState } from './link-state'
import './shell.css'
import { ThemeSwitch } from './theme-switch'

const places = [
  { to: '/signals', label: 'Signals', icon: SignalsIcon },
  { to: '/trend', label: 'Trend', icon: TrendIcon },
  { to: '/sources', label: 'Sources', icon: SourcesIcon },
] as const

export function Shell() {
  const live = useLivePath()
  if (!live) return null
  return (
    <LiveContext value={live}>
      <div className="shell">
        <a className="skip" href="#main">
          Skip to the content
        </a>
        <Rail />
        <TopBar live={live} />
        <main id="main" className="shell-main" tabIndex={-1}>
          <Outlet />
        </main>
      </div>
    </LiveContext>
  )
}

function Rail() {
  const lastTrend = useLastTrend()
  return (
    <nav className="rail" aria-label="Places">
      <Link to="/signals" className="brand" aria-label="ParX, to the signals">
        ParX
      </Link>
      {places.map(({ to, label, icon: Icon }) => (
        <Link
          key={to}
          to={to}
          search={to === '/trend' ? lastTrend : {}}
          className="rail-item"
          activeOptions={{ includeSearch: false }}
          activeProps={{ 'aria-current': 'page' }}
        >
          <Icon />
          <span>{label}</span>
        </Link>
      ))}
    </nav>
  )
}

/** The trend that was open last in this page, so that leaving it is not losing it. */
function useLastTrend(): TrendSearch {
  const [last, setLast] = useState<TrendSearch>({})
  const open = useRouterState({
    select: ({ location }) => (location.pathname === '/trend' ? (location.search as TrendSearch) : null),
  })
  if (open !== null && open !== last) setLast(open)
  return last
}

function TopBar({ live }: { live: Live }) {
  const { data } = useSuspenseQuery(meQuery)
  const server = useQuery(serverQuery)
  const tick = server.data
  useEffect(() => {
    if (tick) live.hub.clock.asked(tick.now, tick.askedAt, tick.answeredAt)
  }, [live, tick])
  return (
    <header className="top-bar">
      <LinkState />
      <span className="zone" title={`Now ${utc(live.hub.now())}. Point at any time to see it in UTC.`}>
        Times in {zoneLabel()}
      </span>
      <span className="spring" />
      <ThemeSwitch />
      <span className="user" title={tick ? `ParX ${tick.version}` : undefined}>
        {data.me.name}
      </span>
      <button type="button" className="button" data-kind="quiet" onClick={() => void leave()}>
        <SignOutIcon />
        <span className="wide-only">Sign out</span>
        <span className="visually-hidden narrow-only">Sign out</span>
      </button>
    </header>
  )
}

/** A full load of the sign-in screen: nothing of the session stays in memory. */
async function leave(): Promise<void> {
  await signOut().catch(() => undefined)
  window.location.assign('/login')
}

function useLivePath(): Live | null {
  const [live, setLive] = useState<Live | null>(null)
  const queryClient = useQueryClient()
  useEffect(() => {
    const url = new URL('/graphql', window.location.href)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    const socket = openSocket(url.href)
    const hub = new Hub(socket)
    // Also what keeps the socket open on screens without values.
    const offChanges = socket.subscribe(changesDocument, () => ({}), () => {
      void queryClient.invalidateQueries({ queryKey: ['signals'] })
      void queryClient.invalidateQueries({ queryKey: ['signal'] })
      void queryClient.invalidateQueries({ queryKey: ['sources'] })
    })
    // A refused link looks like a lost one; whether the session has ended only a request can tell.
    const offLink = socket.onLink(() => {
      if (socket.link().kind === 'lost') void queryClient.invalidateQueries({ queryKey: ['me'] })
    })
    setLive({ hub, socket })
    return () => {
      offLink()
      offChanges()
      hub.close()
      socket.close()
    }
  }, [queryClient])
  return live
}
