// What the server knows, as query options: keys, fetching and how long an answer stays fresh.
// Streaming values are not here; they come through src/live.
import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { meDocument, serverDocument, signalDocument, signalsDocument, sourcesDocument } from './operations'
import { request } from './request'

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }) => request(meDocument, {}, signal),
  staleTime: Infinity,
})

export type ServerTick = { version: string; startedAt: string; now: number; askedAt: number; answeredAt: number }

/** The server's clock comes with the moments at which it was asked and answered, to reckon the offset. */
export const serverQuery = queryOptions({
  queryKey: ['server'],
  queryFn: async ({ signal }): Promise<ServerTick> => {
    const askedAt = Date.now()
    const { server } = await request(serverDocument, {}, signal)
    return {
      version: server.version,
      startedAt: server.startedAt,
      now: Date.parse(server.now),
      askedAt,
      answeredAt: Date.now(),
    }
  },
  refetchInterval: 60_000,
})

export function signalsQuery(search: string, limit: number) {
  return queryOptions({
    queryKey: ['signals', search, limit],
    queryFn: ({ signal }) => request(signalsDocument, { search: search === '' ? null : search, limit }, signal),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  })
}

export function signalQuery(tag: string) {
  return queryOptions({
    queryKey: ['signal', tag],
    queryFn: async ({ signal }) => (await request(signalDocument, { tag }, signal)).signal ?? null,
    staleTime: 30_000,
  })
}

export const sourcesQuery = queryOptions({
  queryKey: ['sources'],
  queryFn: async ({ signal }) => (await request(sourcesDocument, {}, signal)).sources,
  refetchInterval: 2_000,
})
