import { readFileSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { crun, type SandboxMachine, type ServiceFacts } from '../../../agent/services/crun.ts'
import { openServiceLog } from '../../../agent/services/logs.ts'
import type { OciConfig } from '../../../agent/services/sandbox.ts'
import { manifest } from './example.ts'

// The data folder is given to the service's user.
const skip = process.getuid?.() === 0 ? false : 'needs root'

const facts: ServiceFacts = {
  open: { nodeId: 'n1', cluster: 'c1', wireguardAddress: '10.0.0.1', libp2pId: 'l1' },
  sources: { peers: [], members: [], nameservers: [] },
  secrets: { password: Buffer.from('p'), clusterKey: Buffer.from('k'), libp2pKey: Buffer.from('l') },
}

/** A machine whose crun writes a PID file, and `did` in which order it was asked for what. */
function setUp(t: Test, changes: Partial<SandboxMachine> = {}, pid = '123\n') {
  const folder = t.testdir({ run: {}, data: {} })
  const did: string[] = []
  const log = openServiceLog(`${folder}/one.log`)
  const bundle = `${folder}/run/bundles/one`
  const machine: SandboxMachine = {
    run: async () => '',
    launch: async (program, args) => {
      did.push(`${program} ${args.includes('run') ? 'run' : ''}`)
      writeFileSync(args[args.indexOf('--pid-file') + 1] ?? '', pid)
    },
    runFolder: `${folder}/run`,
    dataOf: async () => `${folder}/data`,
    logOf: () => log,
    seccompModeOf: () => 'enforce',
    dataDevice: () => ({ major: 253, minor: 1 }),
    setQuota: (uid, { mebibytes, files }) => did.push(`quota ${uid}: ${mebibytes} MiB, ${files} files`),
    withFacts: (_, use) => use(facts),
    ...changes,
  }
  const config = () => JSON.parse(readFileSync(`${bundle}/config.json`, 'utf8')) as OciConfig
  const start = (early = false) => crun(machine).start({ ...manifest({ name: 'one' }), early })
  return { did, config, start }
}

t.test('the quota is set before each start', { skip }, async t => {
  const { start, did } = setUp(t)
  t.equal(await start(), 123)
  await start()
  const once = ['quota 1001: 4096 MiB, 65536 files', 'crun run']
  t.same(did, [...once, ...once])
})

t.test('an early service asks nothing of the disk', { skip }, async t => {
  const never = () => {
    throw new Error('the disk is closed')
  }
  const { start, did } = setUp(t, { setQuota: never, dataDevice: never })
  t.equal(await start(true), 123)
  t.same(did, ['crun run'])
})

t.test('who cannot be limited is not started', { skip }, async t => {
  const setQuota = () => {
    throw new Error('quotactl /dev/mapper/x: ESRCH')
  }
  const { start, did } = setUp(t, { setQuota })
  await t.rejects(start(), { message: /ESRCH/ })
  t.same(did, [])
})

t.test('the mode of the hour is in the configuration of the next start', { skip }, async t => {
  const modes = ['enforce', 'audit', 'enforce'] as const
  let starts = 0
  const { start, config } = setUp(t, { seccompModeOf: () => modes[starts++] ?? 'enforce' })
  for (const action of ['SCMP_ACT_ERRNO', 'SCMP_ACT_LOG', 'SCMP_ACT_ERRNO']) {
    await start()
    t.equal(config().linux.seccomp.defaultAction, action)
  }
})

for (const pid of ['', '0\n', '1\n', '-5\n', 'x\n', '1.5\n'])
  t.test(`a PID file that says '${pid.trim()}' is refused`, { skip }, async t => {
    await t.rejects(setUp(t, {}, pid).start(), { message: /no PID in its file/ })
  })
