// The search box: what is typed goes into the address after a short rest, and what is in the address
// (a link, the Back button) goes into the box.
import { useEffect, useRef, useState } from 'react'

const restMs = 180

export function SearchBox({ value, onChange }: { value: string; onChange: (text: string) => void }) {
  const [text, setText] = useState(value)
  const [seen, setSeen] = useState(value)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  if (value !== seen) {
    setSeen(value)
    setText((typed) => (typed.trim() === value ? typed : value))
  }
  useEffect(() => () => clearTimeout(timer.current), [])
  return (
    <input
      className="input search-box"
      type="search"
      aria-label="Search signals"
      placeholder="Search tag or description"
      value={text}
      onChange={(event) => {
        const typed = event.target.value
        setText(typed)
        clearTimeout(timer.current)
        timer.current = setTimeout(() => onChange(typed.trim()), restMs)
      }}
    />
  )
}
