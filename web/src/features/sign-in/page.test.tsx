import { render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, expect, test, vi } from 'vitest'
import { safeNext, SignInForm } from './page'

afterEach(() => vi.unstubAllGlobals())

function answerWith(status: number, body?: unknown) {
  const fetch = vi.fn(async () => new Response(body === undefined ? null : JSON.stringify(body), { status }))
  vi.stubGlobal('fetch', fetch)
  return fetch
}

async function fillIn() {
  const user = userEvent.setup()
  await user.type(screen.getByLabelText('Name'), 'ana')
  await user.type(screen.getByLabelText('Password'), 'secret')
  await user.click(screen.getByRole('button', { name: 'Sign in' }))
}

test('sends name and password, then goes on', async () => {
  const fetch = answerWith(204)
  const onSignedIn = vi.fn()
  render(<SignInForm onSignedIn={onSignedIn} />)
  await fillIn()
  expect(fetch).toHaveBeenCalledWith(
    '/api/v1/session',
    expect.objectContaining({ method: 'POST', body: '{"user":"ana","password":"secret"}' }),
  )
  expect(onSignedIn).toHaveBeenCalledOnce()
})

test('says what the server said, with its hint', async () => {
  answerWith(401, { error: { message: 'Name or password is wrong.', detail: '', hint: 'Ask an administrator.' } })
  const onSignedIn = vi.fn()
  render(<SignInForm onSignedIn={onSignedIn} />)
  await fillIn()
  expect(await screen.findByRole('alert')).toHaveTextContent('Name or password is wrong.Ask an administrator.')
  expect(onSignedIn).not.toHaveBeenCalled()
  expect(screen.getByRole('button', { name: 'Sign in' })).toBeEnabled()
})

test.each([
  ['/trend?tags=a', '/trend?tags=a'],
  [undefined, '/'],
  ['https://elsewhere.example/', '/'],
  ['//elsewhere.example/', '/'],
  ['/\\elsewhere.example/', '/'],
  ['/login?next=/', '/'],
])('after signing in, %s leads to %s', (next, path) => {
  expect(safeNext(next)).toBe(path)
})
