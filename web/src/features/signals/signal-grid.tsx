// The rows themselves: virtual, grouped by path, and usable by keyboard alone.
// Values are written by each row's sink; this file re-renders only on scrolling and selecting.
import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useRef, useState, type KeyboardEvent } from 'react'
import type { Signal } from '../../api/types'
import { clamp } from '../../lib/format'
import type { GroupedRow } from '../../lib/tags'
import { useWatch } from '../../live/use-live'
import { GroupRow, SignalRow } from './rows'
import { useSparkFill } from './spark'

type Props = {
  rows: readonly GroupedRow<Signal>[]
  selected: ReadonlySet<string>
  onToggle: (tag: string) => void
  onToggleGroup: (path: string) => void
  onTrend: (tag: string) => void
}

const rowHeight = 30
const headHeight = 30
const columns = ['Select', 'Tag', 'Description', 'Last 10 min', 'Value', 'Unit', 'Quality', 'Time']

export function SignalGrid({ rows, selected, onToggle, onToggleGroup, onTrend }: Props) {
  const frame = useRef<HTMLDivElement>(null)
  const [active, setActive] = useState(0)
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => frame.current,
    estimateSize: () => rowHeight,
    overscan: 12,
    scrollPaddingStart: headHeight,
  })
  const items = virtual.getVirtualItems()
  const visible: Signal[] = []
  for (const item of items) {
    const row = rows[item.index]
    if (row?.kind === 'item') visible.push(row.item)
  }
  useWatch(visible.map((signal) => signal.tag))
  useSparkFill(visible)
  useEffect(() => setActive((at) => clamp(at, 0, Math.max(0, rows.length - 1))), [rows.length])

  const go = (index: number) => {
    const at = clamp(index, 0, rows.length - 1)
    setActive(at)
    virtual.scrollToIndex(at)
  }
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const row = rows[active]
    const page = Math.max(1, Math.floor((frame.current?.clientHeight ?? 300) / rowHeight) - 2)
    const act: Record<string, () => void> = {
      ArrowDown: () => go(active + 1),
      ArrowUp: () => go(active - 1),
      PageDown: () => go(active + page),
      PageUp: () => go(active - page),
      Home: () => go(0),
      End: () => go(rows.length - 1),
    }
    if (row?.kind === 'group') {
      act['Enter'] = act[' '] = () => onToggleGroup(row.path)
      if (row.open) act['ArrowLeft'] = () => onToggleGroup(row.path)
      else act['ArrowRight'] = () => onToggleGroup(row.path)
    } else if (row) {
      act['Enter'] = act[' '] = () => onToggle(row.item.tag)
      act['t'] = act['T'] = () => onTrend(row.item.tag)
    }
    const action = event.ctrlKey || event.metaKey || event.altKey ? undefined : act[event.key]
    if (!action) return
    event.preventDefault()
    action()
  }

  return (
    <>
      <div
        ref={frame}
        className="table-frame signal-grid"
        role="treegrid"
        tabIndex={0}
        aria-label="Signals"
        aria-describedby="signal-grid-keys"
        aria-multiselectable="true"
        aria-rowcount={rows.length + 1}
        aria-colcount={columns.length}
        aria-activedescendant={rows.length > 0 ? `signal-row-${active}` : undefined}
        onKeyDown={onKeyDown}
      >
        <div role="rowgroup" className="signal-head">
          <div role="row" aria-rowindex={1} className="signal-row">
            {columns.map((name) => (
              <span key={name} role="columnheader" data-column={name}>
                {name === 'Select' ? <span className="visually-hidden">{name}</span> : name}
              </span>
            ))}
          </div>
        </div>
        <div role="rowgroup" className="signal-body" style={{ height: virtual.getTotalSize() }}>
          {items.map((item) => {
            const row = rows[item.index]
            if (!row) return null
            const place = { index: item.index, top: item.start, active: item.index === active }
            const focus = () => setActive(item.index)
            return row.kind === 'group' ? (
              <GroupRow key={`/${row.path}`} {...place} row={row} onFocus={focus} onToggle={onToggleGroup} />
            ) : (
              <SignalRow
                key={row.item.tag}
                {...place}
                signal={row.item}
                selected={selected.has(row.item.tag)}
                onFocus={focus}
                onToggle={onToggle}
              />
            )
          })}
        </div>
      </div>
      <p id="signal-grid-keys" className="signal-keys muted">
        <kbd>↑</kbd> <kbd>↓</kbd> move · <kbd>Enter</kbd> select · <kbd>T</kbd> trend
      </p>
    </>
  )
}
