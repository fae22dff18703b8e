// The one place that sends HTTP requests: GraphQL operations and the session door.
// One error type carries what the server said: the fact, the detail and the hint.
import { sentence } from '../lib/format'
import type { TypedDocumentString } from './generated/graphql'

export type Problem = 'signed-out' | 'refused' | 'unreachable'

export class ApiError extends Error {
  readonly problem: Problem
  readonly detail: string
  readonly hint: string

  constructor(problem: Problem, message: string, detail = '', hint = '') {
    super(sentence(message))
    this.name = 'ApiError'
    this.problem = problem
    this.detail = sentence(detail)
    this.hint = sentence(hint)
  }
}

const signedOutListeners = new Set<() => void>()

/** Called whenever a request turns out to have no session. */
export function onSignedOut(listener: () => void): () => void {
  signedOutListeners.add(listener)
  return () => signedOutListeners.delete(listener)
}

type GraphQLAnswer<T> = {
  data?: T | null
  errors?: { message: string; extensions?: { code?: string; detail?: string; hint?: string } }[]
}

export async function request<T, V>(
  document: TypedDocumentString<T, V>,
  variables: V,
  signal?: AbortSignal,
): Promise<T> {
  const response = await send('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ query: document.toString(), variables }),
    ...(signal ? { signal } : {}),
  })
  if (!response.ok) throw told(await problemOf(response))
  const answer = (await response.json()) as GraphQLAnswer<T>
  const first = answer.errors?.[0]
  if (first) {
    const signedOut = first.extensions?.code === 'UNAUTHENTICATED'
    const { detail, hint } = first.extensions ?? {}
    throw told(new ApiError(signedOut ? 'signed-out' : 'refused', first.message, detail, hint))
  }
  if (answer.data == null) throw new ApiError('refused', 'The server answered without data.')
  return answer.data
}

export async function signIn(user: string, password: string): Promise<void> {
  const response = await send('/api/v1/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user, password }),
  })
  if (!response.ok) throw await problemOf(response)
}

export async function signOut(): Promise<void> {
  const response = await send('/api/v1/session', { method: 'DELETE' })
  if (!response.ok && response.status !== 401) throw await problemOf(response)
}

function told(error: ApiError): ApiError {
  if (error.problem === 'signed-out') for (const listener of signedOutListeners) listener()
  return error
}

async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, { credentials: 'same-origin', ...init })
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause
    throw new ApiError('unreachable', 'The server cannot be reached.', '', 'It is tried again by itself.')
  }
}

async function problemOf(response: Response): Promise<ApiError> {
  const kind: Problem = response.status === 401 ? 'signed-out' : 'refused'
  try {
    const body = (await response.json()) as { error?: { message?: string; detail?: string; hint?: string } }
    if (body.error?.message) {
      return new ApiError(kind, body.error.message, body.error.detail ?? '', body.error.hint ?? '')
    }
  } catch {
    // No JSON: the status has to speak for itself.
  }
  const text = kind === 'signed-out' ? 'Sign in to go on.' : `The server answered with status ${response.status}.`
  return new ApiError(kind, text)
}
