// One cache for what the server knows, and when an answer is worth asking for again.
import { QueryClient } from '@tanstack/react-query'
import { ApiError } from '../api/request'

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // What the server refuses it refuses again; only a lost way is worth another try.
      retry: (failures, error) => error instanceof ApiError && error.problem === 'unreachable' && failures < 3,
      refetchOnWindowFocus: true,
    },
  },
})
