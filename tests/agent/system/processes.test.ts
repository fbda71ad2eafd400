import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { rootProcesses } from '../../../agent/system/processes.ts'

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
    t.same(await rootProcesses(proc), ['a shell', 'sleeper'])
  },
)

t.test('rootProcesses() passes over a process that has just ended', async t => {
  const proc = t.testdir({ '99': {} })
  t.same(await rootProcesses(proc), [])
})

async function writeStatus(proc: string, { pid, name, uids, kthread = '0' }: Row): Promise<void> {
  await mkdir(join(proc, pid))
  const text = `Name:\t${name}\nUmask:\t0022\nKthread:\t${kthread}\nUid:\t${uids}\nGid:\t0\t0\t0\t0\n`
  await writeFile(join(proc, pid, 'status'), text)
}
