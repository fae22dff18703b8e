// The server's clock as this page knows it. Ages are reckoned with it, so that a wrong clock in the
// browser makes no fresh value look stale. Feeding it is the work of the hub and of the shell.

export class ServerClock {
  private offsetMs = 0
  private known = false

  /** Milliseconds since 1970 by the server's clock. */
  now(at: number = Date.now()): number {
    return at + this.offsetMs
  }

  get offset(): number {
    return this.offsetMs
  }

  /** A question and its answer: the server's time lies in the middle, give or take half the way. */
  asked(serverMs: number, askedAt: number, answeredAt: number): void {
    this.offsetMs = serverMs - (askedAt + answeredAt) / 2
    this.known = true
  }

  /**
   * A message that the server stamped when it sent it. The way takes time, so the difference is never
   * above the true offset: a larger one is nearer the truth, a smaller one only drifts it down slowly.
   */
  stamped(sentMs: number, receivedAt: number): void {
    const seen = sentMs - receivedAt
    if (!this.known || seen > this.offsetMs) this.offsetMs = seen
    else this.offsetMs += (seen - this.offsetMs) * 0.002
    this.known = true
  }
}
