// A fact, its detail and what to do about it: empty screens, errors and waiting.
import type { ReactNode } from 'react'
import './message.css'

type Props = {
  title: string
  detail?: string | undefined
  hint?: string | undefined
  kind?: 'plain' | 'error'
  children?: ReactNode
}

export function Message({ title, detail, hint, kind = 'plain', children }: Props) {
  return (
    <div className="message" data-kind={kind} role={kind === 'error' ? 'alert' : 'status'}>
      <p className="message-title">{kind === 'error' ? `✕ ${title}` : title}</p>
      {detail ? <p>{detail}</p> : null}
      {hint ? <p className="muted">{hint}</p> : null}
      {children}
    </div>
  )
}
