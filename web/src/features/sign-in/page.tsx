// The sign-in screen: name and password, then back to where the reader wanted to go.
import { useQueryClient } from '@tanstack/react-query'
import { getRouteApi, useRouter } from '@tanstack/react-router'
import { useEffect, useState, type FormEvent } from 'react'
import { ApiError, signIn } from '../../api/request'
import './page.css'

const route = getRouteApi('/login')

export function SignInPage() {
  const { next } = route.useSearch()
  const router = useRouter()
  const queryClient = useQueryClient()
  const enter = () => {
    queryClient.clear()
    router.history.push(safeNext(next))
  }
  return <SignInForm onSignedIn={enter} />
}

/** Only a path of our own is followed, never an address of somebody else's. */
export function safeNext(next: string | undefined): string {
  return next && /^\/(?![/\\])/.test(next) && !next.startsWith('/login') ? next : '/'
}

export function SignInForm({ onSignedIn }: { onSignedIn: () => void }) {
  const [error, setError] = useState<ApiError | null>(null)
  const [busy, setBusy] = useState(false)
  useEffect(() => {
    document.title = 'Sign in · ParX'
  }, [])

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    const fields = new FormData(form)
    setBusy(true)
    setError(null)
    try {
      await signIn(String(fields.get('user') ?? ''), String(fields.get('password') ?? ''))
      onSignedIn()
    } catch (cause) {
      setError(cause instanceof ApiError ? cause : new ApiError('refused', 'Signing in failed.'))
      setBusy(false)
      form.querySelector<HTMLInputElement>('input[name=password]')?.select()
    }
  }

  return (
    <main className="sign-in">
      <form className="sign-in-card" aria-labelledby="sign-in-title" onSubmit={(event) => void submit(event)}>
        <div className="sign-in-head">
          <img src="/mark.svg" alt="" width="28" height="28" />
          <h1 id="sign-in-title">Sign in to ParX</h1>
        </div>
        <label className="field">
          <span>Name</span>
          <input className="input" name="user" autoComplete="username" autoCapitalize="none" required />
        </label>
        <label className="field">
          <span>Password</span>
          <input className="input" name="password" type="password" autoComplete="current-password" required />
        </label>
        {error ? (
          <div className="sign-in-error" role="alert">
            <strong>✕ {error.message}</strong>
            {error.detail ? <span>{error.detail}</span> : null}
            {error.hint ? <span>{error.hint}</span> : null}
          </div>
        ) : null}
        <button type="submit" className="button" data-kind="primary" disabled={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
    </main>
  )
}
