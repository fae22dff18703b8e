import { fireEvent, render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, test, vi } from 'vitest'
import type { Range } from '../../trend/range'
import type { TrendSession } from '../../trend/session'
import { RangePicker, rangeLabel } from './range-picker'

const from = new Date(2026, 10, 25, 6).getTime()
const to = new Date(2026, 10, 25, 14, 30).getTime()

test.each<[Range, string]>([
  [{ kind: 'live', spanMs: 900_000 }, 'Last 15 minutes'],
  [{ kind: 'live', spanMs: 86_400_000 }, 'Last 24 hours'],
  [{ kind: 'live', spanMs: 315_000 }, 'Last 5 min 15 s'],
  [{ kind: 'fixed', from, to }, '25 Nov 06:00:00 – 14:30:00'],
  [{ kind: 'fixed', from, to: to + 86_400_000 }, '25 Nov 06:00:00 – 26 Nov 14:30:00'],
])('%o is called %s', (range, label) => {
  expect(rangeLabel(range)).toBe(label)
})

function show() {
  const onChange = vi.fn()
  const session = { window: () => ({ from, to }) } as TrendSession
  render(<RangePicker session={session} range={{ kind: 'live', spanMs: 900_000 }} onChange={onChange} />)
  const panel = document.getElementById('range-panel')
  if (panel) panel.hidePopover = () => {}
  return { onChange, user: userEvent.setup() }
}

test('a span up to now is chosen by its button', async () => {
  const { onChange, user } = show()
  await user.click(screen.getByRole('button', { name: 'Last 8 hours', hidden: true }))
  expect(onChange).toHaveBeenCalledExactlyOnceWith({ kind: 'live', spanMs: 28_800_000 })
})

test('two times are needed, and have to be in order', async () => {
  const { onChange, user } = show()
  const button = screen.getByRole('button', { name: 'Show', hidden: true })
  await user.click(button)
  expect(await screen.findByRole('alert', { hidden: true })).toHaveTextContent('Give both times.')
  fireEvent.change(screen.getByLabelText('From'), { target: { value: '2026-11-25T06:00:01' } })
  fireEvent.change(screen.getByLabelText('To'), { target: { value: '2026-11-25T05:00:01' } })
  await user.click(button)
  expect(screen.getByRole('alert', { hidden: true })).toHaveTextContent('The end has to be after the beginning.')
  fireEvent.change(screen.getByLabelText('To'), { target: { value: '2026-11-25T14:30:01' } })
  await user.click(button)
  expect(onChange).toHaveBeenCalledExactlyOnceWith({ kind: 'fixed', from: from + 1000, to: to + 1000 })
})
