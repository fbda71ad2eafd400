import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'

/** A thread that writes lines to standard output as fast as somebody reads them, for so many seconds. */
const { seconds, lineBytes } = workerData as { readonly seconds: number; readonly lineBytes: number }
const chunkBytes = 64_000
const lines = Buffer.from(`${'flood'.repeat(lineBytes / 5)}\n`.repeat(chunkBytes / lineBytes))
const never = new Int32Array(new SharedArrayBuffer(4))

for (const endMs = Date.now() + seconds * 1000; Date.now() < endMs;)
  try {
    writeSync(1, lines)
  } catch (error) {
    // The main thread has made the pipe one that does not wait.
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    Atomics.wait(never, 0, 0, 1)
  }
