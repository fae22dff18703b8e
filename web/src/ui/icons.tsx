// The app's few icons, drawn here so that nothing is fetched and nothing is bundled that is not used.
// They are decoration: the words beside them carry the meaning.
import type { ReactNode } from 'react'

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg
      width="18"
      height="18"
      viewBox="0 0 18 18"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  )
}

export const SignalsIcon = () => (
  <Icon>
    <path d="M3 4.5h2M3 9h2M3 13.5h2M8 4.5h7M8 9h7M8 13.5h4.5" />
  </Icon>
)

export const TrendIcon = () => (
  <Icon>
    <path d="M2.5 2.5v13h13M5 11.5l3-4 2.5 2.5 4.5-6" />
  </Icon>
)

export const SourcesIcon = () => (
  <Icon>
    <path d="M6 2.5v4M12 2.5v4M4 6.5h10v2.5a5 5 0 0 1-10 0zM9 14v2" />
  </Icon>
)

export const ThemeIcon = () => (
  <Icon>
    <circle cx="9" cy="9" r="6" />
    <path d="M9 3a6 6 0 0 1 0 12z" fill="currentColor" />
  </Icon>
)

export const SignOutIcon = () => (
  <Icon>
    <path d="M7 3H3.5v12H7M11 5.5 14.5 9 11 12.5M14 9H7" />
  </Icon>
)

export const CloseIcon = () => (
  <Icon>
    <path d="m5 5 8 8M13 5l-8 8" />
  </Icon>
)
