/**
 * What must not outlive this process: programs, namespaces, sockets. `await using` ends them in the ordinary
 * way; the finalizers here run when the process ends by a signal or an uncaught error, where no block is left
 * in order. They are synchronous, because nothing else runs in an 'exit' handler.
 */
type Finalizer = () => void

const finalizers = new Set<Finalizer>()
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const signalBase = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const
let installed = false
let takenOver = false

/** Runs the finalizer if this process ends before the returned function is called. */
export function atExit(finalizer: Finalizer): () => void {
  install()
  finalizers.add(finalizer)
  return () => finalizers.delete(finalizer)
}

/** Resolves at the first signal that would end this process; the process then goes on, and the caller ends it. */
export function interrupted(): Promise<(typeof signals)[number]> {
  install()
  takenOver = true
  return new Promise(resolve => {
    for (const signal of signals) process.once(signal, resolve)
  })
}

function install(): void {
  if (installed) return
  installed = true
  process.on('exit', finalize)
  for (const signal of signals)
    process.on(signal, () => {
      if (!takenOver) process.exit(signalBase[signal])
    })
}

function finalize(): void {
  for (const finalizer of [...finalizers].reverse()) {
    try {
      finalizer()
    } catch (cause) {
      process.stderr.write(`Cannot clean up: ${String(cause)}\n`)
    }
  }
}
