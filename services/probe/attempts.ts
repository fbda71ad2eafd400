import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  copyFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { mkdir, open, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { call, clone, endForks, errnoName, forkUntilRefused, memoryFile, numbers, socket } from './calls.ts'
import { holdPort, holdPortWaiting } from './hold.ts'
import { describeSelf, openFiles } from './self.ts'

/** Tries one thing; says 'done', the name of the error, or what it found. Throws the error of Node's own calls. */
type Attempt = (...words: readonly string[]) => string | Promise<string>

const done = 'done'

/** What the probe can be asked to try, by name. */
export const attempts: Readonly<Record<string, Attempt>> = {
  read: (path = '') => {
    readFileSync(path)
    return done
  },
  list: (path = '') => readdirSync(path).join(' '),
  write: (path = '') => {
    writeFileSync(path, 'x')
    return done
  },
  link: readThroughLink,
  execute: executeOwnFile,
  'execute-memory': flags => executeFromMemory(Number(flags)),
  call: (name = '', ...args) => call(numberOf(name), ...args.map(Number)),
  calls: (name = '', count = '') => manyCalls(numberOf(name), Number(count)),
  clone: flags => clone(Number(flags)),
  socket: (family, type, protocol) => socket(Number(family), Number(type), Number(protocol)),
  // Number 1 is the probe itself: from inside its namespace nobody can end it.
  'signal-others': signalOthers,
  self: describeSelf,
  files: openFiles,
  'signal-all': () => {
    process.kill(-1, 'SIGKILL')
    return done
  },
  processes: () => readdirSync('/proc').filter(isNumber).map(commandOf).join('\n'),
  fork: forkUntilRefused,
  'end-forks': () => {
    endForks()
    return done
  },
  memory: fillMemory,
  spin: spinFor,
  blocks: fillBlocks,
  inodes: fillInodes,
  pace: writeAtPace,
  'fill-memory-disk': fillMemoryDisk,
  empty: async () => {
    await rm(rubbish, { recursive: true, force: true })
    return done
  },
  connect: (host = '', port = '') => connectTo(host, Number(port)),
  resolve: (name = '') => askDnsServer(name),
  datagram: (host = '', port = '') => sendDatagram(host, Number(port)),
  listen: (host = '', port = '') => listenOn(host, Number(port)),
  hold: (protocol, host = '', port = '') => holdPort([protocolOf(protocol), host, Number(port)]),
  'hold-waiting': (...[protocol, host = '', port = '', to = '', toPort = '']) =>
    holdPortWaiting([protocolOf(protocol), host, Number(port)], [to, Number(toPort)]),
  flood: (seconds, lineBytes = '100') => {
    const workerData = { seconds: Number(seconds), lineBytes: Number(lineBytes) }
    new Worker(new URL('./flood.ts', import.meta.url), { workerData })
    return done
  },
}

/** The name of an error, also where Node knows it by its number alone, such as EDQUOT. */
export function nameOf(error: unknown): string {
  const { errno, code, name } = error as NodeJS.ErrnoException
  return (errno === undefined ? undefined : errnoName(-errno)) ?? code ?? name
}

/** In the data folder, where the program runs. */
const rubbish = 'rubbish'
const mebibyte = 1024 * 1024

function numberOf(name: string): number {
  const number = Object.entries(numbers).find(([known]) => known === name)?.[1]
  if (number === undefined) throw new RangeError(`Cannot call '${name}'`)
  return number
}

function protocolOf(word = ''): 'tcp' | 'udp' {
  return word === 'udp' ? 'udp' : 'tcp'
}

function manyCalls(number: number, count: number): string {
  const said = new Set<string>()
  for (let made = 0; made < count; made += 1) said.add(call(number))
  return [...said].join(' ')
}

function readThroughLink(target = ''): string {
  const link = 'link'
  rmSync(link, { force: true })
  symlinkSync(target, link)
  try {
    readdirSync(link)
    return done
  } finally {
    rmSync(link)
  }
}

/** What lies in the one folder that it can write cannot be run. */
function executeOwnFile(): string {
  copyFileSync('/usr/bin/wg', 'program')
  chmodSync('program', 0o755)
  try {
    const { error } = spawnSync('./program')
    return error === undefined ? done : nameOf(error)
  } finally {
    rmSync('program')
  }
}

/** What lies in memory alone cannot be run either; 'done' where it can. */
function executeFromMemory(flags: number): string {
  const file = memoryFile(flags)
  if (typeof file === 'string') return file
  try {
    writeFileSync(file, readFileSync('/usr/bin/wg'))
    const { error } = spawnSync(`/proc/${process.pid}/fd/${file}`)
    return error === undefined ? done : nameOf(error)
  } finally {
    closeSync(file)
  }
}

const pidMax = 32_768

/** Each number that a process of the node could have, but those of its own threads: they are itself. */
async function signalOthers(): Promise<string> {
  const own = readdirSync('/proc/self/task')
  const said = new Set<string>()
  for (let pid = 2; pid <= pidMax; pid += 1) {
    if (!own.includes(String(pid))) said.add(signal(pid))
    // Else the probe would not answer in time, and be taken for hung.
    if (pid % 256 === 0) await setImmediate()
  }
  return [...said].join(' ')
}

function signal(pid: number): string {
  try {
    process.kill(pid, 'SIGKILL')
    return done
  } catch (error) {
    return nameOf(error)
  }
}

function isNumber(name: string): boolean {
  return /^\d+$/.test(name)
}

function commandOf(pid: string): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
}

/** So many seconds of computing in two threads: how much processor time they got, in processors. */
async function spinFor(seconds = ''): Promise<string> {
  const [before, startMs] = [process.cpuUsage(), performance.now()]
  const workerData = { seconds: Number(seconds) }
  const threads = [1, 2].map(() => new Worker(new URL('./spin.ts', import.meta.url), { workerData }))
  await Promise.all(threads.map(thread => once(thread, 'exit')))
  const { user, system } = process.cpuUsage(before)
  return ((user + system) / 1000 / (performance.now() - startMs)).toFixed(2)
}

/** Ends with the process. */
function fillMemory(): never {
  for (const kept: Buffer[] = []; ;) kept.push(Buffer.alloc(8 * mebibyte, 1))
}

async function fillBlocks(): Promise<string> {
  await mkdir(rubbish, { recursive: true })
  await using file = await open(`${rubbish}/large`, 'a')
  const bytes = Buffer.alloc(mebibyte, 1)
  for (let written = 0; written < 8192; written += 1) {
    await file.writeFile(bytes)
    await file.datasync()
  }
  return done
}

/** For how many milliseconds it wrote so many MiB, each of them to the disk. */
async function writeAtPace(mebibytes = ''): Promise<string> {
  await mkdir(rubbish, { recursive: true })
  await using file = await open(`${rubbish}/paced`, 'w')
  const bytes = Buffer.alloc(mebibyte, 1)
  const startMs = performance.now()
  for (let written = 0; written < Number(mebibytes); written += 1) {
    await file.writeFile(bytes)
    await file.datasync()
  }
  return String(Math.round(performance.now() - startMs))
}

/** How many MiB a file system in memory takes, and then the name of the error. */
async function fillMemoryDisk(folder = ''): Promise<string> {
  const path = `${folder}/large`
  let written = 0
  try {
    await using file = await open(path, 'w')
    for (const bytes = Buffer.alloc(mebibyte, 1); ; written += 1) await file.writeFile(bytes)
  } catch (error) {
    return `${written} MiB, then ${nameOf(error)}`
  } finally {
    await rm(path, { force: true })
  }
}

async function fillInodes(): Promise<string> {
  await mkdir(rubbish, { recursive: true })
  for (let count = 0; count < 100_000; count += 1) await writeFile(`${rubbish}/${count}`, '')
  return done
}

const answerMs = 3000

function connectTo(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect({ host, port, signal: AbortSignal.timeout(answerMs) })
    connection.on('connect', () => {
      resolve(done)
      connection.destroy()
    })
    connection.on('error', error => {
      // Its own clock: nobody has refused, and nobody has answered.
      if (error.name === 'AbortError') resolve('no answer')
      else reject(error)
    })
  })
}

/** What the node's own DNS server says to a client on the node. */
async function askDnsServer(name: string): Promise<string> {
  const resolver = new Resolver({ timeout: 5000, tries: 2 })
  resolver.setServers(['127.0.0.1'])
  return (await resolver.resolve4(name)).join(' ')
}

function sendDatagram(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const sender = createSocket('udp4')
    sender.send('x', port, host, error => {
      sender.close()
      if (error === null) resolve(done)
      else reject(error)
    })
  })
}

/** Listens until the process ends, and answers nobody. */
function listenOn(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const server = createServer(connection => connection.destroy())
    server.on('error', reject)
    server.listen(port, host, () => {
      resolve(done)
    })
  })
}
