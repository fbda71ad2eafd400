export type Refresher = {
  /** Looks now; never rejects. */
  readonly refresh: () => Promise<void>
  /** Why the last look failed, in a word for anyone; undefined where it did not. */
  readonly trouble: () => string | undefined
  /** From then on it looks by itself, and keeps the process alive until it is stopped. */
  readonly start: () => void
  readonly stop: () => void
}

const everyMsFallback = 5000

/** Looks again and again, once it is started: so many milliseconds after the end of the last look. */
export function refresher(
  look: () => Promise<void>,
  { everyMs = everyMsFallback, report }: { everyMs?: number; readonly report: (error: unknown) => void },
): Refresher {
  let trouble: string | undefined
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  const refresh = async () => {
    try {
      await look()
      trouble = undefined
    } catch (cause) {
      // Once a trouble: it lasts for as long as the registry is away.
      if (trouble === undefined) report(cause)
      trouble = 'the registry or the agent does not answer'
    }
  }
  const again = () => {
    if (stopped) return
    timer = setTimeout(() => void refresh().then(again), everyMs)
  }
  return {
    refresh,
    trouble: () => trouble,
    start: again,
    stop: () => {
      stopped = true
      clearTimeout(timer)
    },
  }
}
