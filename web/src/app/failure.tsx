// What is shown instead of a screen that could not be shown, with the way on.
import { ApiError } from '../api/request'
import { Message } from '../ui/message'

export function Failure({ error }: { error: unknown }) {
  const api = error instanceof ApiError ? error : null
  const title = error instanceof Error ? error.message : 'This screen could not be shown.'
  return (
    <main className="page">
      <Message kind="error" title={title} detail={api?.detail} hint={api?.hint}>
        <a className="button" href={window.location.href}>
          Try again
        </a>
        <a className="button" data-kind="quiet" href="/">
          Go to the signals
        </a>
      </Message>
    </main>
  )
}
