// Times as people read them: in the browser's zone, with UTC beside it where asked.
// Milliseconds since 1970 throughout; it never reads a clock except through its arguments.

const two = (n: number) => String(n).padStart(2, '0')
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

export const second = 1000
export const minute = 60 * second
export const hour = 60 * minute
export const day = 24 * hour

export function clockTime(ms: number): string {
  const d = new Date(ms)
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`
}

export function clockTimeExact(ms: number): string {
  return `${clockTime(ms)}.${String(Math.floor(((ms % 1000) + 1000) % 1000)).padStart(3, '0')}`
}

export function shortDate(ms: number): string {
  const d = new Date(ms)
  return `${d.getDate()} ${months[d.getMonth()]}`
}

export function fullDate(ms: number): string {
  return `${shortDate(ms)} ${new Date(ms).getFullYear()}`
}

/** Time of day alone where it was today, otherwise with the date. */
export function dateTime(ms: number, now: number): string {
  return fullDate(ms) === fullDate(now) ? clockTime(ms) : `${shortDate(ms)} ${clockTime(ms)}`
}

export function utc(ms: number): string {
  return Number.isFinite(ms) ? `${new Date(ms).toISOString().replace('T', ' ').replace('Z', '')} UTC` : ''
}

/** How long ago or how long for, in at most two units. */
export function duration(ms: number): string {
  const s = Math.max(0, Math.floor(ms / second))
  if (s < 60) return `${s} s`
  const m = Math.floor(s / 60)
  if (m < 60) return s % 60 === 0 ? `${m} min` : `${m} min ${s % 60} s`
  const h = Math.floor(m / 60)
  if (h < 24) return m % 60 === 0 ? `${h} h` : `${h} h ${m % 60} min`
  const d = Math.floor(h / 24)
  return h % 24 === 0 ? `${d} d` : `${d} d ${h % 24} h`
}

/** A duration as a running clock, such as 00:12 or 1:02:07. */
export function stopwatch(ms: number): string {
  const s = Math.max(0, Math.floor(ms / second))
  const h = Math.floor(s / 3600)
  const rest = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`
  return h > 0 ? `${h}:${rest}` : rest
}

/** The browser's zone by name and offset, such as "Europe/Lisbon, UTC+0". */
export function zoneLabel(at: Date = new Date()): string {
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone
  return name === 'UTC' ? name : `${name}, ${offsetLabel(at)}`
}

function offsetLabel(at: Date): string {
  const minutes = -at.getTimezoneOffset()
  const sign = minutes < 0 ? '−' : '+'
  const abs = Math.abs(minutes)
  const rest = abs % 60
  return `UTC${sign}${Math.floor(abs / 60)}${rest === 0 ? '' : `:${two(rest)}`}`
}

/** For an `<input type="datetime-local">`: local time without a zone. */
export function toLocalInput(ms: number): string {
  const d = new Date(ms)
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}T${clockTime(ms)}`
}

export function fromLocalInput(text: string): number | null {
  const ms = new Date(text).getTime()
  return Number.isFinite(ms) ? ms : null
}
