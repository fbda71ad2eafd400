import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { confinementOf, rootProcesses } from '../../../agent/system/processes.ts'

type Row = {
  readonly pid: string
  readonly name: string
  readonly uids: string
  readonly kthread?: '0' | '1'
}

const rows: readonly Row[] = [
  { pid: '1', name: 'node', uids: '0\t0\t0\t0' },
  { pid: '2', name: 'kthreadd', uids: '0\t0\t0\t0', kthread: '1' },
  { pid: '70', name: 'rqlited', uids: '10100\t10100\t10100\t10100' },
  { pid: '71', name: 'sleeper', uids: '10100\t10100\t0\t10100' },
  { pid: '72', name: 'a shell', uids: '0\t0\t0\t0' },
]

t.test(
  'rootProcesses() names who is root or saved it, but neither PID 1 nor threads of the kernel',
  async t => {
    const proc = t.testdir({ meminfo: '', self: {} })
    for (const row of rows) await writeStatus(proc, row)
    t.same(rootProcesses(proc), ['a shell', 'sleeper'])
  },
)

t.test('rootProcesses() passes over a process that has just ended', async t => {
  const proc = t.testdir({ '99': {} })
  t.same(rootProcesses(proc), [])
})

t.test('confinementOf() says what the kernel says, of all five sets of capabilities', async t => {
  const proc = t.testdir({
    '70': { status: statusOf({ CapBnd: '0400', NoNewPrivs: '1', Seccomp: '2' }) },
    '71': { status: statusOf({ CapAmb: '8000000000200000', NoNewPrivs: '0', Seccomp: '1' }) },
  })
  t.same(confinementOf(70, proc), {
    uid: 1001,
    capabilities: ['CAP_NET_BIND_SERVICE'],
    noNewPrivileges: true,
    filtered: true,
  })
  t.same(confinementOf(71, proc), {
    uid: 1001,
    capabilities: ['21', '63'],
    noNewPrivileges: false,
    filtered: false,
  })
})

t.test('confinementOf() throws where the process is gone, or says less than a kernel does', async t => {
  const proc = t.testdir({ '72': { status: 'Name:\tx\n' } })
  t.throws(() => confinementOf(70, proc), { code: 'ENOENT' })
  t.throws(() => confinementOf(72, proc), SyntaxError)
})

function statusOf(fields: Readonly<Record<string, string>>): string {
  const all = {
    Uid: '1001\t1001\t1001\t1001',
    CapInh: '0',
    CapPrm: '0',
    CapEff: '0',
    CapBnd: '0',
    CapAmb: '0',
  }
  return Object.entries({ ...all, ...fields })
    .map(([name, value]) => `${name}:\t${value}\n`)
    .join('')
}

async function writeStatus(proc: string, { pid, name, uids, kthread = '0' }: Row): Promise<void> {
  await mkdir(join(proc, pid))
  const text = `Name:\t${name}\nUmask:\t0022\nKthread:\t${kthread}\nUid:\t${uids}\nGid:\t0\t0\t0\t0\n`
  await writeFile(join(proc, pid, 'status'), text)
}
