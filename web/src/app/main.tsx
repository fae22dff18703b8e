// Where the page starts: theme before the first paint, then the router and the server's data.
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { onSignedOut } from '../api/request'
import { applyTheme, followSystemTheme } from '../ui/theme'
import '../ui/tokens.css'
import '../ui/base.css'
import { queryClient } from './query-client'
import { router } from './router'

applyTheme()
followSystemTheme()

onSignedOut(() => {
  const { pathname, href } = router.state.location
  if (pathname === '/login') return
  queryClient.clear()
  void router.navigate({ to: '/login', search: { next: href } })
})

const root = document.getElementById('root')
if (!root) throw new Error('index.html has no element #root')
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
)
