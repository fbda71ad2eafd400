/** Work that runs beside what follows: who awaits it later gets its error, and until then that is no unhandled one. */
export function begin<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined)
  return work
}
