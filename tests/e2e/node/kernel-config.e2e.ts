import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { cacheRoot } from '../../../image/cache.ts'
import { missingOptions } from '../../../image/kernel/config.ts'
import { testImage } from '../support/image.ts'

const fragment = await readFile(join(import.meta.dirname, '../../../image/kernel/linux.config'), 'utf8')

/** The configurations of all kernels in the cache; an older fragment's may be among them. */
async function builtConfigs(): Promise<string[]> {
  const folder = join(cacheRoot(), 'kernel')
  const names = await readdir(folder).catch(() => [])
  return Promise.all(names.map(name => readFile(join(folder, name, 'config'), 'utf8')))
}

/** What the best of them lacks: where one keeps every line, it is this fragment's kernel. */
function leastMissing(configs: readonly string[]): readonly string[] {
  const missing = configs.map(config => missingOptions(fragment, config))
  return missing.toSorted((a, b) => a.length - b.length)[0] ?? []
}

// Here and not among the unit tests, which on a fresh host run before any kernel was built.
await testImage('ordinary')
const configs = await builtConfigs()

t.test('the final .config of the built kernel keeps every line of the fragment', async t => {
  t.not(configs.length, 0, 'a kernel was built')
  t.same(leastMissing(configs), [])
})

// Whatever the fragment says in future: these doors stay closed in every kernel that we build.
const closed = [
  'MODULES',
  'BLK_DEV_INITRD',
  'IPV6',
  'DEVMEM',
  'KEXEC',
  'KEXEC_FILE',
  'IO_URING',
  'BPF_SYSCALL',
]
for (const option of closed)
  t.test(`the built kernel has no ${option}`, async t => {
    for (const config of configs) t.notMatch(config, new RegExp(`^CONFIG_${option}=`, 'm'))
  })
