import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { seccompProfile } from '../../../agent/services/seccomp.ts'
import { syscallName } from '../../../agent/services/syscall-names.ts'

const x8664 = 0xc000003e

const known = [
  [0, 'read'],
  [56, 'clone'],
  [101, 'ptrace'],
  [165, 'mount'],
  [321, 'bpf'],
  [334, 'rseq'],
  [424, 'pidfd_send_signal'],
  [435, 'clone3'],
  [452, 'fchmodat2'],
  [462, 'mseal'],
] as const
for (const [number, name] of known)
  t.test(`call ${number} is ${name}`, async t => t.equal(syscallName(x8664, number), name))

const unknown = [
  [x8664, -1],
  [x8664, 400],
  [x8664, 463],
  [x8664, 0x4000_0000],
  [x8664, 1.5],
  [0x40000003, 0],
  [0, 0],
] as const
for (const [arch, number] of unknown)
  t.test(`call ${number} of ${arch.toString(16)} has no name`, async t =>
    t.equal(syscallName(arch, number), 'other'),
  )

t.test('each call that a filter allows has a number', async t => {
  const named = new Set(Array.from({ length: 500 }, (_, number) => syscallName(x8664, number)))
  const names = seccompProfile([], 'enforce').syscalls.flatMap(rule => rule.names)
  t.same(
    names.filter(name => !named.has(name)),
    [],
  )
})

const header = '/usr/include/x86_64-linux-gnu/asm/unistd_64.h'
t.test('the table agrees with the C library of this machine', { skip: !existsSync(header) }, async t => {
  const lines = readFileSync(header, 'utf8').matchAll(/^#define __NR_(\w+) (\d+)$/gm)
  const pairs = [...lines].map(([, name, number]) => [Number(number), name] as const)
  t.ok(pairs.length > 300)
  t.same(
    pairs.filter(([number, name]) => number <= 462 && syscallName(x8664, number) !== name),
    [],
  )
})
