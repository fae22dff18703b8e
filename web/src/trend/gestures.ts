// What hands do on a trend: drag pans, wheel zooms, double click goes back to now, two fingers pinch,
// and the same by keys. It only translates; what a range becomes is decided in range.ts.
import type { TrendPicture } from './picture'

const wheelStep = 0.0015
const dragStart = 3

/** Listens on the host until the answer is called. `spoken` gets the cursor moved by keys. */
export function listenToGestures(picture: TrendPicture, spoken: (time: number) => void): () => void {
  const { host, session } = picture
  const pointers = new Map<number, number>()
  let dragged = false
  let pinch = 0

  const spread = () => {
    const xs = [...pointers.values()]
    return Math.abs((xs[0] ?? 0) - (xs[1] ?? 0))
  }
  const onDown = (event: PointerEvent) => {
    if (event.button !== 0) return
    pointers.set(event.pointerId, event.clientX)
    dragged = false
    pinch = pointers.size === 2 ? spread() : 0
    host.setPointerCapture(event.pointerId)
  }
  const onMove = (event: PointerEvent) => {
    const before = pointers.get(event.pointerId)
    if (before === undefined || event.pointerType === 'mouse') {
      session.setCursor(picture.timeAt(event.clientX))
    }
    if (before === undefined) return
    if (pointers.size === 2) {
      pointers.set(event.pointerId, event.clientX)
      const now = spread()
      if (pinch > 20 && now > 20) session.zoomBy(pinch / now, picture.timeAt(middle([...pointers.values()])))
      pinch = now
      return
    }
    const moved = event.clientX - before
    if (!dragged && Math.abs(moved) < dragStart) return
    dragged = true
    pointers.set(event.pointerId, event.clientX)
    const { from, to } = session.window()
    session.panBy((-moved / picture.plot().width) * (to - from))
    host.dataset['dragging'] = 'true'
  }
  const onUp = (event: PointerEvent) => {
    pointers.delete(event.pointerId)
    delete host.dataset['dragging']
  }
  const onLeave = () => {
    if (pointers.size > 0) return
    session.setCursor(null)
  }
  const onWheel = (event: WheelEvent) => {
    event.preventDefault()
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const { from, to } = session.window()
      session.panBy((event.deltaX / picture.plot().width) * (to - from))
      return
    }
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 33 : 1
    session.zoomBy(Math.exp(event.deltaY * lines * wheelStep), picture.timeAt(event.clientX))
  }
  const onDouble = () => session.follow()
  const onKey = (event: KeyboardEvent) => {
    const act = keyActions(picture, spoken)[`${event.shiftKey && event.key.startsWith('Arrow') ? 'Shift+' : ''}${event.key}`]
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    act()
  }

  const offs = [
    on(host, 'pointerdown', onDown),
    on(host, 'pointermove', onMove),
    on(host, 'pointerup', onUp),
    on(host, 'pointercancel', onUp),
    on(host, 'pointerleave', onLeave),
    on(host, 'wheel', onWheel, { passive: false }),
    on(host, 'dblclick', onDouble),
    on(host, 'keydown', onKey),
  ]
  return () => {
    for (const off of offs) off()
  }
}

function keyActions(picture: TrendPicture, spoken: (time: number) => void): Record<string, () => void> {
  const { session } = picture
  const span = () => {
    const { from, to } = session.window()
    return to - from
  }
  const moveCursor = (direction: number) => {
    const { from, to } = session.window()
    const at = session.cursor ?? (direction > 0 ? from : to)
    const next = Math.min(to, Math.max(from, at + (direction * (to - from)) / 100))
    session.setCursor(next)
    spoken(next)
  }
  return {
    '+': () => session.zoomBy(0.5),
    '=': () => session.zoomBy(0.5),
    '-': () => session.zoomBy(2),
    ' ': () => session.togglePause(),
    ArrowLeft: () => moveCursor(-1),
    ArrowRight: () => moveCursor(1),
    'Shift+ArrowLeft': () => session.panBy(-span() / 4),
    'Shift+ArrowRight': () => session.panBy(span() / 4),
    End: () => session.follow(),
    Escape: () => session.setCursor(null),
  }
}

function middle(xs: number[]): number {
  return ((xs[0] ?? 0) + (xs[1] ?? 0)) / 2
}

function on<K extends keyof HTMLElementEventMap>(
  element: HTMLElement,
  type: K,
  listener: (event: HTMLElementEventMap[K]) => void,
  options?: AddEventListenerOptions,
): () => void {
  element.addEventListener(type, listener, options)
  return () => element.removeEventListener(type, listener, options)
}
