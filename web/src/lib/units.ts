// How a UCUM code is written for people. Unknown codes are shown as they are.

const names = new Map<string, string>([
  ['Cel', '°C'],
  ['[degF]', '°F'],
  ['[psi]', 'psi'],
  ['[gal_us]/min', 'gal/min'],
  ['kW.h', 'kWh'],
  ['deg', '°'],
  ['Ohm', 'Ω'],
  ['1', ''],
  ['[pH]', 'pH'],
  ['[ppm]', 'ppm'],
  ['{rpm}', 'rpm'],
  ['1/min', '1/min'],
])

const superscripts: Record<string, string> = { '-': '⁻', '0': '⁰', '1': '¹', '2': '²', '3': '³', '4': '⁴' }

export function unitLabel(ucum: string | null | undefined): string {
  if (!ucum) return ''
  const known = names.get(ucum)
  if (known !== undefined) return known
  return ucum
    .replace(/\[(\w+)\]/g, '$1')
    .replace(/\{(\w+)\}/g, '$1')
    .replace(/([a-zA-Z])(-?[0-4])(?![0-9])/g, (_, letter: string, power: string) =>
      letter + [...power].map((c) => superscripts[c] ?? c).join(''),
    )
    .replaceAll('.', '·')
}
