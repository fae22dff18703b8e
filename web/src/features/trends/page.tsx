// Placeholder while the trend is being written.
export function TrendPage() {
  return null
}
