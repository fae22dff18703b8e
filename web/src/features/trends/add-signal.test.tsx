import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, expect, test, vi } from 'vitest'
import { AddSignal } from './add-signal'

const signal = (tag: string) => ({ tag, description: `About ${tag}`, unit: 'bar', valueType: 'FLOAT', states: [], last: null })

function show(tags: string[], chosen: string[], full = false) {
  const signals = tags.map(signal)
  vi.stubGlobal('fetch', async () => Response.json({ data: { signalCount: signals.length, signals } }))
  const onAdd = vi.fn()
  render(
    <QueryClientProvider client={new QueryClient()}>
      <AddSignal chosen={chosen} full={full} onAdd={onAdd} />
    </QueryClientProvider>,
  )
  return { onAdd, box: screen.getByRole('combobox', { name: 'Add a signal' }), user: userEvent.setup() }
}

afterEach(() => vi.unstubAllGlobals())

test('offers what is not on the trend yet, and adds by keys alone', async () => {
  const { onAdd, box, user } = show(['a', 'b', 'c'], ['a'])
  await user.type(box, 'x')
  expect(await screen.findByRole('option', { name: /About b/ })).toHaveAttribute('aria-selected', 'true')
  expect(screen.queryByRole('option', { name: /About a/ })).toBeNull()
  await user.keyboard('{ArrowDown}{Enter}')
  expect(onAdd).toHaveBeenCalledExactlyOnceWith('c')
  expect(box).toHaveValue('')
})

test('Escape closes the list, and a click opens it again', async () => {
  const { box, user } = show(['a'], [])
  await user.click(box)
  await screen.findByRole('option', { name: /About a/ })
  await user.keyboard('{Escape}')
  expect(box).toHaveAttribute('aria-expanded', 'false')
  await user.click(box)
  expect(box).toHaveAttribute('aria-expanded', 'true')
})

test('says so when nothing matches, and when no more fit', async () => {
  const { box, user } = show([], [])
  await user.type(box, 'zzz')
  expect(await screen.findByText('No other signal matches.')).toBeVisible()
})

test('takes no more than fit', () => {
  expect(show(['a'], [], true).box).toBeDisabled()
})
