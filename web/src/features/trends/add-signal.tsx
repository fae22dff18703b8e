// Finds a signal by tag or description and adds it to the trend: a combobox, usable by keys alone.
import { useQuery } from '@tanstack/react-query'
import { useEffect, useId, useRef, useState, type KeyboardEvent } from 'react'
import { signalsQuery } from '../../api/queries'
import { unitLabel } from '../../lib/units'

const shown = 40
const restMs = 150

type Props = { chosen: readonly string[]; full: boolean; onAdd: (tag: string) => void }

export function AddSignal({ chosen, full, onAdd }: Props) {
  const id = useId()
  const input = useRef<HTMLInputElement>(null)
  const [text, setText] = useState('')
  const [open, setOpen] = useState(false)
  const [active, setActive] = useState(0)
  const search = useRested(text.trim(), restMs)
  const answer = useQuery({ ...signalsQuery(search, shown), enabled: open })
  const options = (answer.data?.signals ?? []).filter((signal) => !chosen.includes(signal.tag))
  const at = Math.min(active, Math.max(0, options.length - 1))

  const choose = (tag: string | undefined) => {
    if (tag === undefined) return
    onAdd(tag)
    setText('')
    setActive(0)
    input.current?.focus()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const act: Record<string, () => void> = {
      ArrowDown: () => (open ? setActive(Math.min(options.length - 1, at + 1)) : setOpen(true)),
      ArrowUp: () => setActive(Math.max(0, at - 1)),
      Enter: () => choose(open ? options[at]?.tag : undefined),
      Escape: () => setOpen(false),
    }
    const action = act[event.key]
    if (!action) return
    event.preventDefault()
    action()
  }
  useEffect(() => {
    document.getElementById(`${id}-${at}`)?.scrollIntoView({ block: 'nearest' })
  }, [id, at])

  return (
    <div className="add-signal">
      <input
        ref={input}
        className="input"
        role="combobox"
        aria-label="Add a signal"
        aria-expanded={open}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={open && options.length > 0 ? `${id}-${at}` : undefined}
        placeholder={full ? 'No more signals fit' : 'Add a signal'}
        disabled={full}
        autoComplete="off"
        value={text}
        onChange={(event) => {
          setText(event.target.value)
          setOpen(true)
          setActive(0)
        }}
        onClick={() => setOpen(true)}
        onKeyDown={onKeyDown}
        onBlur={() => setOpen(false)}
      />
      <div id={`${id}-list`} className="add-signal-list" role="listbox" aria-label="Signals" hidden={!open}>
        {options.map((signal, i) => (
          <div
            key={signal.tag}
            id={`${id}-${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={i === at}
            className="add-signal-option"
            // The box must not lose its focus before the choice is taken.
            onMouseDown={(event) => {
              event.preventDefault()
              choose(signal.tag)
            }}
          >
            <span className="add-signal-tag">{signal.tag}</span>
            <span className="muted">{unitLabel(signal.unit)}</span>
            <span className="add-signal-about muted">{signal.description}</span>
          </div>
        ))}
        {options.length === 0 ? (
          <div className="add-signal-none muted" role="option" aria-selected="false" aria-disabled="true" tabIndex={-1}>
            {answer.isFetching ? 'Asking the server…' : 'No other signal matches.'}
          </div>
        ) : null}
      </div>
    </div>
  )
}

function useRested(value: string, ms: number): string {
  const [rested, setRested] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), ms)
    return () => clearTimeout(timer)
  }, [value, ms])
  return rested
}
