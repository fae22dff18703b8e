// The newest samples of one signal in typed arrays. Twice the room is held so that pushing never
// moves memory at every sample, and so that views are contiguous and cost nothing.

export class Ring {
  readonly capacity: number
  /** Samples nearer to each other than this are left out; 0 keeps every one. */
  readonly spacingMs: number
  private readonly t: Float64Array
  private readonly v: Float64Array
  private start = 0
  private end = 0

  constructor(capacity: number, spacingMs = 0) {
    this.capacity = capacity
    this.spacingMs = spacingMs
    this.t = new Float64Array(capacity * 2)
    this.v = new Float64Array(capacity * 2)
  }

  get length(): number {
    return this.end - this.start
  }

  /** Adds a sample; NaN stands for "no number". False where it is left out. */
  push(timeMs: number, value: number): boolean {
    const since = timeMs - this.lastTime()
    if (since <= 0 || since < this.spacingMs) return false
    if (this.end === this.t.length) {
      this.t.copyWithin(0, this.start, this.end)
      this.v.copyWithin(0, this.start, this.end)
      this.end -= this.start
      this.start = 0
    }
    this.t[this.end] = timeMs
    this.v[this.end] = value
    this.end += 1
    if (this.length > this.capacity) this.start += 1
    return true
  }

  /** Replaces what is held by fetched history, and keeps what has come since its end. */
  refill(times: readonly number[], values: readonly (number | null)[]): void {
    const end = times.at(-1) ?? -Infinity
    const heldTimes = this.times().slice()
    const heldValues = this.values().slice()
    this.start = 0
    this.end = 0
    for (const [i, time] of times.entries()) this.push(time, values[i] ?? NaN)
    for (const [i, time] of heldTimes.entries()) {
      if (time > end) this.push(time, heldValues[i] ?? NaN)
    }
  }

  lastTime(): number {
    return this.length > 0 ? (this.t[this.end - 1] ?? NaN) : NaN
  }

  /** Views, valid until the next push. */
  times(): Float64Array {
    return this.t.subarray(this.start, this.end)
  }

  values(): Float64Array {
    return this.v.subarray(this.start, this.end)
  }
}
