import t from 'tap'
import { encodeLimits, setUserQuota } from '../../../agent/system/quota.ts'

t.test('limits are laid out as struct if_dqblk of linux/quota.h', async t => {
  const words = [
    '0000400000000000', // hard limit: 4096 MiB are 0x400000 blocks of 1 KiB
    '0000000000000000', // soft limit: none
    '0000000000000000', // in use: not set
    '0000010000000000', // hard limit of inodes: 65,536
    '0000000000000000',
    '0000000000000000',
    '0000000000000000', // times of grace: not set
    '0000000000000000',
    '0500000000000000', // QIF_BLIMITS | QIF_ILIMITS, padding
  ]
  t.equal(encodeLimits({ mebibytes: 4096, files: 65_536 }).toString('hex'), words.join(''))
})

const sizes = [
  [1, 1, '0004000000000000', '0100000000000000'],
  [4096, 65_536, '0000400000000000', '0000010000000000'],
  [1_048_576, 16_777_216, '0000004000000000', '0000000100000000'],
] as const
for (const [mebibytes, files, blocks, inodes] of sizes)
  t.test(`${mebibytes} MiB are ${blocks} and ${files} files ${inodes}, little-endian`, async t => {
    const bytes = encodeLimits({ mebibytes, files })
    t.equal(bytes.length, 72)
    t.equal(bytes.subarray(0, 8).toString('hex'), blocks)
    t.equal(bytes.subarray(24, 32).toString('hex'), inodes)
  })

const refused = [
  [0, 1],
  [1, 0],
  [-1, 1],
  [1.5, 1],
  [1, Number.NaN],
  [Number.POSITIVE_INFINITY, 1],
] as const
for (const [mebibytes, files] of refused)
  t.test(`a quota of ${mebibytes} MiB and ${files} files is refused`, async t =>
    t.throws(() => encodeLimits({ mebibytes, files }), { name: 'RangeError' }),
  )

t.test('what is no block device is refused by the kernel', async t =>
  t.throws(() => setUserQuota('/dev/null', 1999, { mebibytes: 1, files: 1 }), {
    name: 'SystemCallError',
    message: /quotactl .dev.null: /,
  }),
)
