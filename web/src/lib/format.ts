// Numbers as people read them, and how many decimals a signal deserves.
// The decimal sign is always a point, so that what is read here can be typed into a query.

const formats = new Map<number, Intl.NumberFormat>()

function fixed(decimals: number): Intl.NumberFormat {
  let format = formats.get(decimals)
  if (!format) {
    format = new Intl.NumberFormat('en', {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
      useGrouping: 'min2',
    })
    formats.set(decimals, format)
  }
  return format
}

/** Decimals that resolve a thousandth of the range or better; null where the range is not known. */
export function decimalsFor(low: number | null | undefined, high: number | null | undefined): number | null {
  if (low == null || high == null || !(high > low)) return null
  return clamp(4 - Math.ceil(Math.log10(high - low)), 0, 6)
}

export function formatNumber(value: number, decimals: number | null): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'not a number' : value > 0 ? '∞' : '−∞'
  const abs = Math.abs(value)
  if (abs !== 0 && (abs >= 1e9 || abs < 1e-4)) return minus(value.toExponential(3))
  const places = decimals ?? (Number.isInteger(value) ? 0 : clamp(4 - Math.floor(Math.log10(abs)), 0, 6))
  return minus(fixed(places).format(value))
}

export function formatCount(value: number | string): string {
  const n = typeof value === 'string' ? BigInt(value) : value
  return new Intl.NumberFormat('en').format(n)
}

/** A fact as a sentence: servers begin theirs small and end them bare. */
export function sentence(text: string): string {
  if (text === '') return ''
  const begun = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.!?…:]$/.test(begun) ? begun : `${begun}.`
}

/** `n` with its noun; the plural is regular. */
export function plural(n: number, noun: string): string {
  return `${formatCount(n)} ${noun}${n === 1 ? '' : 's'}`
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value))
}

function minus(text: string): string {
  return text.startsWith('-') ? `−${text.slice(1)}` : text
}
