import { workerData } from 'node:worker_threads'

/** A thread that computes without a pause, for so many seconds. */
const { seconds } = workerData as { readonly seconds: number }

for (const endMs = Date.now() + seconds * 1000; Date.now() < endMs;);
