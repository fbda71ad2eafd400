/** A refusal with its status: what was wrong, and what the caller can do. Both are shown to the caller. */
export class HttpError extends Error {
  readonly status: number
  readonly hint: string
  /** Headers that belong to the status, such as `allow` to 405. */
  headers: Readonly<Record<string, string>> = {}
  constructor(status: number, message: string, hint: string) {
    super(message)
    this.name = 'HttpError'
    this.status = status
    this.hint = hint
  }
}
