import t from 'tap'
import { blockNode, qemuArguments, type DiskBus, type Layout } from '../../qemu/arguments.ts'
import { firmwareOf } from '../../qemu/firmware.ts'

const plain: Layout = {
  acceleration: { accelerator: 'tcg', cpu: 'max', reason: '' },
  memoryMib: 768,
  cpus: 2,
  monitorSocket: '/s/monitor',
  firmware: undefined,
  disk: undefined,
  diskBus: 'virtio',
  port: undefined,
  tpmSocket: undefined,
  watchdog: false,
  fwCfg: {},
  noReboot: false,
  clock: undefined,
  kernel: undefined,
  extra: [],
}

const port = { tap: 'tap1', mac: '52:54:00:4f:52:01' }
const line = (change: Partial<Layout>) => qemuArguments({ ...plain, ...change }).join(' ')

const contained: readonly (readonly [string, Partial<Layout>, string])[] = [
  ['emulation', {}, '-machine q35,accel=tcg,smm=off -cpu max -m 768M -smp 2'],
  ['no network', {}, '-nic none'],
  ['a network', { port }, '-netdev tap,id=net,ifname=tap1,script=no,downscript=no'],
  ['a network card', { port }, '-device virtio-net-pci,netdev=net,mac=52:54:00:4f:52:01,romfile='],
  [
    'a TPM',
    { tpmSocket: '/s/tpm' },
    '-chardev socket,id=tpm,path=/s/tpm -tpmdev emulator,id=tpm0,chardev=tpm',
  ],
  ['a watchdog', { watchdog: true }, '-device i6300esb -action watchdog=reset'],
  ['no reboot', { noReboot: true }, '-no-reboot'],
  ['a clock', { clock: '2026-11-21T08:00:00' }, '-rtc base=2026-11-21T08:00:00'],
  ['a kernel', { kernel: { image: '/k', commandLine: 'a=b c,d' } }, '-kernel /k -append a=b c,d'],
  [
    'fw_cfg text with commas',
    { fwCfg: { 'opt/orama.fault': 'exit@a,b' } },
    '-fw_cfg name=opt/orama.fault,string=exit@a,,b',
  ],
  ['a path with a comma', { monitorSocket: '/a,b' }, 'path=/a,,b'],
  [
    'writes as the guest made them, where they are logged',
    { disk: { file: '/d', format: 'raw', writeLog: '/l' } },
    '-global virtio-blk-pci.request-merging=off',
  ],
  ['what the caller adds, last', { extra: ['-S'] }, '-nic none -S'],
  [
    'Secure Boot firmware',
    { firmware: { image: firmwareOf(true), variablesFile: '/v' } },
    '-global driver=cfi.pflash01,property=secure,value=on -drive if=pflash,unit=0,format=raw,readonly=on,' +
      'file=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd -drive if=pflash,unit=1,format=raw,readonly=off,file=/v',
  ],
  [
    'the mode that Secure Boot needs',
    { firmware: { image: firmwareOf(true), variablesFile: '/v' } },
    'smm=on',
  ],
  ['plain firmware', { firmware: { image: firmwareOf(false), variablesFile: '/v' } }, 'OVMF_CODE_4M.fd'],
]

for (const [what, change, part] of contained)
  t.test(`qemuArguments() has ${what}`, async t => t.ok(line(change).includes(part), line(change)))

const absent: readonly (readonly [string, RegExp])[] = [
  ['TPM', /tpm/],
  ['watchdog', /watchdog/],
  ['flash', /pflash/],
  ['disk', /blockdev|drive=/],
  ['fw_cfg', /fw_cfg/],
]
for (const [what, pattern] of absent)
  t.test(`qemuArguments() of a bare machine has no ${what}`, async t => t.notMatch(line({}), pattern))

const disks: Readonly<Record<DiskBus, string>> = {
  virtio: 'virtio-blk-pci,drive=disk',
  nvme: 'nvme,drive=disk',
  scsi: 'virtio-scsi-pci -device scsi-hd,drive=disk',
  sata: 'ide-hd,drive=disk,bus=ide.0',
}
for (const [diskBus, device] of Object.entries(disks) as [DiskBus, string][])
  t.test(`qemuArguments() puts a disk on ${diskBus}`, async t => {
    const text = line({ diskBus, disk: { file: '/d', format: 'qcow2' } })
    t.ok(text.includes(`-device ${device},serial=orama,bootindex=1`), text)
  })

t.test('blockNode() puts the write log in front of the image', async t => {
  const { driver, file, log } = blockNode({ file: '/d', format: 'raw', writeLog: '/l' })
  t.equal(driver, 'blklogwrites')
  t.match(file, { driver: 'raw', file: { filename: '/d' } })
  t.same(log, { driver: 'file', filename: '/l' })
})

for (const name of ['etc/x', 'opt/', 'opt/a,b', `opt/${'a'.repeat(52)}`, 'opt/a b'])
  t.test(`qemuArguments() refuses the fw_cfg name '${name}'`, async t => {
    t.throws(() => line({ fwCfg: { [name]: '' } }), {
      name: 'RangeError',
      message: `Cannot pass '${name}' by fw_cfg: want opt/…`,
    })
  })
