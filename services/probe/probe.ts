import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { attempts, nameOf } from './attempts.ts'
import { beginSetUp } from './set-up.ts'

/**
 * The hostile probe, in test images only: tries on request what no service may do, and behaves as badly as its mode
 * says. `POST /try/NAME?word=…&word=…` answers what came of it; `POST /mode/MODE` keeps a mode over restarts.
 */
const port = 10_190
if (process.pid !== 1) throw new Error('Cannot run the probe outside of a sandbox: it would do harm')

const modeFile = 'mode'
/** `mute`: answers its probe with 503; `hung`: not at all; `deaf`: does not heed SIGTERM. */
type Mode = 'good' | 'mute' | 'hung' | 'deaf'

const setUp = beginSetUp()

let mode = (existsSync(modeFile) ? readFileSync(modeFile, 'utf8') : 'good') as Mode

// Number 1 of its PID namespace: without a handler the kernel drops the signal, as the mode 'deaf' wants it.
if (mode !== 'deaf')
  process.on('SIGTERM', () => {
    process.exit(0)
  })

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '', 'http://probe')
  const [, verb, name = ''] = url.pathname.split('/')
  if (verb === 'ready' && mode === 'hung') return
  if (verb === 'ready') response.writeHead(setUp.goOn() && mode !== 'mute' ? 200 : 503).end()
  else if (verb === 'set-up') response.end(setUp.isDone() ? 'done' : 'begun')
  else if (verb === 'mode') {
    setMode(name as Mode)
    response.end(mode)
  } else
    void tryOnce(name, url.searchParams.getAll('word')).then(outcome => {
      response.end(outcome)
    })
})
server.listen(port, process.argv[2])

function setMode(wanted: Mode): void {
  mode = wanted
  if (wanted === 'good') rmSync(modeFile, { force: true })
  else writeFileSync(modeFile, wanted)
}

async function tryOnce(name: string, words: readonly string[]): Promise<string> {
  const attempt = attempts[name]
  if (attempt === undefined) return `no attempt '${name}'`
  try {
    return await attempt(...words)
  } catch (error) {
    return nameOf(error)
  }
}
