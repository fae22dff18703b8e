// Light, dark or as the system has it. The choice is kept in this browser only.
// Canvases cannot read CSS variables, so this file also resolves tokens to colours, once per theme.

export type ThemeChoice = 'system' | 'light' | 'dark'

const key = 'parx.theme'
const listeners = new Set<() => void>()
let version = 0

export function themeChoice(): ThemeChoice {
  const kept = localStorage.getItem(key)
  return kept === 'light' || kept === 'dark' ? kept : 'system'
}

export function chooseTheme(choice: ThemeChoice): void {
  if (choice === 'system') localStorage.removeItem(key)
  else localStorage.setItem(key, choice)
  applyTheme()
}

export function applyTheme(): void {
  const choice = themeChoice()
  if (choice === 'system') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = choice
  version += 1
  for (const listener of listeners) listener()
}

export function onTheme(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Grows by one whenever the colours have changed. */
export function themeVersion(): number {
  return version
}

export function followSystemTheme(): void {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', applyTheme)
}

/** The colours that these custom properties stand for at the moment. */
export function resolveTokens<K extends string>(names: readonly K[]): Record<K, string> {
  const probe = document.createElement('span')
  document.body.append(probe)
  const result = {} as Record<K, string>
  for (const name of names) {
    probe.style.color = `var(--${name})`
    result[name] = getComputedStyle(probe).color
  }
  probe.remove()
  return result
}
