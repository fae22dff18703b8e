// The one socket of the page: connects, tries again for ever, and says how the link is.
// What the messages mean is the hub's business.
import { createClient, type Client } from 'graphql-ws'
import type { TypedDocumentString } from '../api/generated/graphql'

export type Link =
  | { kind: 'connecting' }
  | { kind: 'live'; roundTripMs: number | null }
  | { kind: 'lost'; since: number }

export interface LiveSocket {
  link(): Link
  onLink(listener: () => void): () => void
  /**
   * Delivers until disposed. A lost link is taken up again by itself, beginning with a fresh snapshot.
   * The variables are asked for anew whenever the server has ended or refused the subscription.
   */
  subscribe<T, V extends Record<string, unknown>>(
    document: TypedDocumentString<T, V>,
    variables: () => V,
    next: (data: T) => void,
  ): () => void
  close(): void
}

const pingEveryMs = 4_000
const pongWithinMs = 6_000
const longestWaitMs = 10_000
const againMs = 3_000

export function openSocket(url: string): LiveSocket {
  let link: Link = { kind: 'connecting' }
  const listeners = new Set<() => void>()
  let openedAt = 0
  let pingedAt = 0
  let pongTimer: ReturnType<typeof setTimeout> | undefined

  const become = (next: Link) => {
    link = next
    for (const listener of listeners) listener()
  }

  const client: Client = createClient({
    url,
    lazy: true,
    lazyCloseTimeout: 3_000,
    keepAlive: pingEveryMs,
    retryAttempts: Infinity,
    shouldRetry: () => true,
    retryWait: async (retries) => {
      const wait = Math.min(longestWaitMs, 250 * 2 ** retries)
      await new Promise((resolve) => setTimeout(resolve, wait * (0.75 + Math.random() / 2)))
    },
    on: {
      opened: () => {
        openedAt = performance.now()
      },
      connected: () => become({ kind: 'live', roundTripMs: performance.now() - openedAt }),
      ping: (received) => {
        if (received) return
        pingedAt = performance.now()
        pongTimer = setTimeout(() => client.terminate(), pongWithinMs)
      },
      pong: (received) => {
        if (!received) return
        clearTimeout(pongTimer)
        become({ kind: 'live', roundTripMs: performance.now() - pingedAt })
      },
      closed: (event) => {
        clearTimeout(pongTimer)
        // 1000 is our own wish: nobody listens any more.
        if ((event as CloseEvent).code === 1000) become({ kind: 'connecting' })
        else if (link.kind !== 'lost') become({ kind: 'lost', since: Date.now() })
      },
    },
  })

  return {
    link: () => link,
    onLink: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    subscribe: (document, variables, next) =>
      untilDisposed((ended) =>
        client.subscribe<never>(
          { query: document.toString(), variables: variables() },
          {
            next: (message) => {
              if (message.data) next(message.data)
            },
            error: ended,
            complete: ended,
          },
        ),
      ),
    close: () => {
      clearTimeout(pongTimer)
      void client.dispose()
    },
  }
}

/**
 * A link that ends is taken up by the client itself. A subscription that the server ends or refuses is
 * begun again after a rest, because a live page has no use for an ended one.
 */
function untilDisposed(begin: (ended: () => void) => () => void): () => void {
  let disposed = false
  let stop: (() => void) | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  const start = () => {
    stop = begin(() => {
      if (!disposed) timer = setTimeout(start, againMs)
    })
  }
  start()
  return () => {
    disposed = true
    clearTimeout(timer)
    stop?.()
  }
}
