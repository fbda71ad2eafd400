import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, cp, readdir, readFile, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { ownChild } from '../../agent/system/children.ts'
import { log } from '../../agent/system/log.ts'
import { median } from '../median.ts'
import { endSandbox, readProcess, type Subject, untilReady } from './subject.ts'

const rounds = 3
const roundMs = 8_000
const askers = 4
const apiPort = 10_100
const configInside = '/run/config'

/** Requests a second that rqlite serves in the agent's sandbox, divided by those that it serves outside of it. */
export async function requestRatio(subject: Subject): Promise<number> {
  const inside: number[] = []
  const outside: number[] = []
  // In, out, out, in: what changes with time, such as the database, does so for both.
  for (let round = 0; round < rounds; round += 1) {
    inside.push(await rateInside(subject))
    outside.push(await rateOutside(subject))
    outside.push(await rateOutside(subject))
    inside.push(await rateInside(subject))
  }
  return median(inside) / median(outside)
}

async function rateInside(subject: Subject): Promise<number> {
  const pid = await subject.crun.start(subject.manifest)
  const rate = await rateWhenReady(subject, pid)
  await endSandbox(subject, pid)
  return rate
}

/** The same program, user, arguments, settings and data, as a plain child. */
async function rateOutside(subject: Subject): Promise<number> {
  const { args, cwd, env, user } = (await readProcess(subject)) as Plain
  await copySettings(subject)
  const [program = '', ...rest] = args
  const child = spawn(program, rest, {
    cwd,
    env: Object.fromEntries(env.map(line => line.split(/=(.*)/s, 2))) as Record<string, string>,
    uid: user.uid,
    gid: user.gid,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  ownChild(child)
  for (const stream of [child.stdout, child.stderr]) void subject.log.consume(stream)
  const rate = await rateWhenReady(subject, child.pid ?? 0)
  await end(child)
  return rate
}

type Plain = {
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: readonly string[]
  readonly user: { readonly uid: number; readonly gid: number }
}

/** Where the arguments say that they are. */
async function copySettings({ bundle, manifest }: Subject): Promise<void> {
  await rm(configInside, { recursive: true })
  await cp(join(bundle, 'config'), configInside, { recursive: true })
  for (const name of await readdir(configInside))
    await chown(join(configInside, name), manifest.uid, manifest.uid)
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

/** Each asker inserts a row, and the next when that is acknowledged. */
async function rateWhenReady(subject: Subject, pid: number): Promise<number> {
  await untilReady(subject, pid)
  await insert(subject, undefined, 'CREATE TABLE IF NOT EXISTS bench (number INTEGER)')
  const agent = new Agent({ keepAlive: true })
  const before = await ticksOf(pid)
  const startedMs = performance.now()
  let served = 0
  const ask = async () => {
    while (performance.now() - startedMs < roundMs) {
      await insert(subject, agent, `INSERT INTO bench VALUES (${served})`)
      served += 1
    }
  }
  await Promise.all(Array.from({ length: askers }, ask))
  agent.destroy()
  const tookS = (performance.now() - startedMs) / 1000
  const usedS = ((await ticksOf(pid)) - before) / ticksPerS
  log(`${served} requests in ${tookS.toFixed(1)} s, of which rqlite worked ${usedS.toFixed(1)} s`)
  return served / tookS
}

const ticksPerS = 100

/** Processor time of a process, user and system: fields 14 and 15 of proc_pid_stat(5), after the name in brackets. */
async function ticksOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

function insert({ address, password }: Subject, agent: Agent | undefined, statement: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = {
      host: address,
      port: apiPort,
      path: '/db/execute',
      method: 'POST',
      auth: `orama:${password}`,
      headers: { 'content-type': 'application/json' },
      ...(agent === undefined ? {} : { agent }),
    }
    const asked = request(options, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => {
        if (response.statusCode === 200 && !text.includes('"error"')) resolve()
        else reject(new Error(`rqlite answered: ${text}`))
      })
    })
    asked.on('error', reject)
    asked.end(JSON.stringify([statement]))
  })
}
