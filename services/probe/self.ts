import { closeSync, lstatSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** What the probe finds itself to be, a fact a line: what its sandbox is made of, seen from inside. */
export function describeSelf(): string {
  const status = fieldsOf('/proc/self/status', /^(\w+):\s+(.*)$/)
  const limits = fieldsOf('/proc/self/limits', /^(Max [a-z ]+?)\s{2,}(\S+\s+\S+)/)
  const facts = {
    environment: Object.keys(process.env).sort().join(' '),
    devices: readdirSync('/dev').filter(isDevice).sort().join(' '),
    'own namespaces': Object.keys(initialNamespaces).filter(isOwn).join(' '),
    host: hostname(),
    cgroup: readFileSync('/proc/self/cgroup', 'utf8').trim(),
    keys: readFileSync('/proc/keys', 'utf8'),
    'oom score': readFileSync('/proc/self/oom_score_adj', 'utf8').trim(),
    ...pick(status, [...capabilities, 'NoNewPrivs', 'Seccomp', 'Uid', 'Groups']),
    ...pick(limits, ['Max open files', 'Max core file size', 'Max locked memory']),
  }
  return Object.entries(facts)
    .map(([name, value]) => `${name}: ${value.replaceAll(/\s+/g, ' ')}`.trim())
    .join('\n')
}

/** Opens files until it is refused: the name of the error. */
export function openFiles(): string {
  const opened: number[] = []
  try {
    for (;;) opened.push(openSync('/dev/null', 'r'))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  } finally {
    for (const fd of opened) closeSync(fd)
  }
}

/** Of the machine's own namespaces, which have the same numbers everywhere (linux/proc_ns.h). */
const initialNamespaces = { cgroup: 4026531835, ipc: 4026531839, pid: 4026531836, uts: 4026531838 } as const

function isOwn(kind: string): boolean {
  const initial = Object.entries(initialNamespaces).find(([name]) => name === kind)?.[1]
  return readlinkSync(`/proc/self/ns/${kind}`) !== `${kind}:[${initial ?? ''}]`
}

function isDevice(name: string): boolean {
  const found = lstatSync(`/dev/${name}`)
  return found.isCharacterDevice() || found.isBlockDevice()
}

const capabilities = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']

function fieldsOf(path: string, line: RegExp): Record<string, string> {
  const matches = readFileSync(path, 'utf8')
    .split('\n')
    .flatMap(text => line.exec(text) ?? [])
  const fields: Record<string, string> = {}
  for (let at = 0; at < matches.length; at += 3) fields[matches[at + 1] ?? ''] = matches[at + 2] ?? ''
  return fields
}

function pick(fields: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map(name => [name, fields[name] ?? 'not told']))
}
