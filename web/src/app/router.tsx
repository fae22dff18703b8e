// Which address shows which screen, and what its query part may hold. The address bar is the state.
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router'
import { meQuery } from '../api/queries'
import { ApiError } from '../api/request'
import { SignInPage } from '../features/sign-in/page'
import { parseSearch, stringifySearch } from '../lib/search-params'
import { Failure } from './failure'
import { queryClient } from './query-client'
import { Shell } from './shell'

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

/** Keeps the named parts of the address that are there, as text. */
function keep<K extends string>(search: Record<string, unknown>, ...keys: K[]): { [key in K]?: string } {
  const result: { [key in K]?: string } = {}
  for (const key of keys) {
    const value = text(search[key])
    if (value !== undefined) result[key] = value
  }
  return result
}

const rootRoute = createRootRoute({ component: Outlet, errorComponent: Failure })

const loginRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/login',
  validateSearch: (search) => keep(search, 'next'),
  component: SignInPage,
})

const shellRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'shell',
  component: Shell,
  errorComponent: Failure,
  beforeLoad: async ({ location }) => {
    try {
      await queryClient.ensureQueryData(meQuery)
    } catch (error) {
      if (error instanceof ApiError && error.problem === 'signed-out') {
        throw redirect({ to: '/login', search: { next: location.href } })
      }
      throw error
    }
  },
})

const homeRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/signals', replace: true })
  },
})

const signalsRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/signals',
  validateSearch: (search) => keep(search, 'q'),
  component: lazyRouteComponent(() => import('../features/signals/page'), 'SignalsPage'),
})

const trendRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/trend',
  validateSearch: (search) => keep(search, 'tags', 'range', 'from', 'to', 'mode', 'scale', 'view'),
  component: lazyRouteComponent(() => import('../features/trends/page'), 'TrendPage'),
})

const sourcesRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/sources',
  component: lazyRouteComponent(() => import('../features/sources/page'), 'SourcesPage'),
})

const routeTree = rootRoute.addChildren([
  loginRoute,
  shellRoute.addChildren([homeRoute, signalsRoute, trendRoute, sourcesRoute]),
])

export const router = createRouter({
  routeTree,
  parseSearch,
  stringifySearch,
  defaultPreload: 'intent',
  defaultNotFoundComponent: () => <Failure error={new Error('There is no such page.')} />,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
