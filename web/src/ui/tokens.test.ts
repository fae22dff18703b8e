// Reckons the contrast of the token pairs that carry text or outlines, in both themes.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const css = readFileSync('src/ui/tokens.css', 'utf8')
const tokens = new Map<string, [string, string]>()
for (const m of css.matchAll(/--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g)) {
  if (m[1] && m[2] && m[3]) tokens.set(m[1], [m[2], m[3]])
}

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const c = Number.parseInt(hex.slice(at, at + 2), 16) / 255
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

function contrast(a: string, b: string): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].toSorted((x, y) => y - x)
  return (high + 0.05) / (low + 0.05)
}

const surfaces = ['bg', 'rail', 'panel', 'panel-2', 'hover', 'selected']
const texts = ['ink', 'ink-2', 'ink-3', 'accent', 'q-uncertain', 'q-bad', 'q-stale']
const pens = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `pen-${n}`)
const pairs: [string, string, number][] = [
  ...texts.flatMap((ink) => surfaces.map((on): [string, string, number] => [ink, on, 4.5])),
  ...pens.flatMap((pen) => ['panel', 'panel-2'].map((on): [string, string, number] => [pen, on, 4.5])),
  ...['bg', 'panel', 'panel-2'].map((on): [string, string, number] => ['line-strong', on, 3]),
  ['accent-ink', 'accent', 4.5],
]

test.each(pairs)('%s on %s has a contrast of at least %s in both themes', (ink, on, least) => {
  for (const theme of [0, 1] as const) {
    const a = tokens.get(ink)?.[theme]
    const b = tokens.get(on)?.[theme]
    if (!a || !b) throw new Error(`no such token: ${ink} or ${on}`)
    expect(contrast(a, b)).toBeGreaterThanOrEqual(least)
  }
})
