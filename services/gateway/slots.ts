import { HttpError } from '../../http/error.ts'

export type Slots = {
  /** Takes a place for this key and returns what gives it back. Throws HttpError: 429 for the key's, 503 for all. */
  readonly take: (key: string) => () => void
}

/** Places for what is going on at the same time, so many in all and so many a key. */
export function slots(max: { readonly all: number; readonly perKey: number }): Slots {
  const held = new Map<string, number>()
  let all = 0
  const give = (key: string) => {
    all -= 1
    const left = (held.get(key) ?? 1) - 1
    if (left > 0) held.set(key, left)
    else held.delete(key)
  }
  return {
    take: key => {
      const count = held.get(key) ?? 0
      if (count >= max.perKey)
        throw new HttpError(429, 'too many requests at once', `have at most ${max.perKey} under way`)
      if (all >= max.all) throw new HttpError(503, 'the gateway is busy', 'try again in some seconds')
      all += 1
      held.set(key, count + 1)
      let isHeld = true
      return () => {
        if (isHeld) give(key)
        isHeld = false
      }
    },
  }
}
