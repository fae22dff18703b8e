// Steps through the themes: as the system has it, light, dark.
import { useState } from 'react'
import { ThemeIcon } from '../ui/icons'
import { chooseTheme, themeChoice, type ThemeChoice } from '../ui/theme'

const next: Record<ThemeChoice, ThemeChoice> = { system: 'light', light: 'dark', dark: 'system' }
const words: Record<ThemeChoice, string> = { system: 'System', light: 'Light', dark: 'Dark' }

export function ThemeSwitch() {
  const [choice, setChoice] = useState(themeChoice)
  const step = () => {
    chooseTheme(next[choice])
    setChoice(next[choice])
  }
  return (
    <button
      type="button"
      className="button theme-switch"
      data-kind="quiet"
      onClick={step}
      aria-label={`Theme: ${words[choice]}. Switch to ${words[next[choice]]}.`}
    >
      <ThemeIcon />
      <span className="wide-only">{words[choice]}</span>
    </button>
  )
}
