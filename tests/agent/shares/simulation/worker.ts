import { parentPort, workerData } from 'node:worker_threads'
import { type Scenario, simulate } from './simulation.ts'

// A thread of its own: the test runner follows each promise of its thread, of which there are millions here.
parentPort?.postMessage(await simulate(workerData as Scenario))
