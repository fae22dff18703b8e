// Last values that came with a list of signals, handed to the hub so that no cell starts empty.
import type { Signal } from '../api/types'
import type { Hub } from './hub'

export function seedHub(hub: Hub, signals: readonly Signal[]): void {
  for (const { tag, last } of signals) {
    if (!last) continue
    hub.seed(tag, {
      timeMs: Date.parse(last.time),
      value: last.value,
      text: last.valueText,
      quality: Number(last.quality),
    })
  }
}
