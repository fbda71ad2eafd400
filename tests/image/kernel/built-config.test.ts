import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { cacheRoot } from '../../../image/cache.ts'
import { missingOptions } from '../../../image/kernel/config.ts'

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

const configs = await builtConfigs()
const skip = configs.length === 0 && 'no kernel was built yet: make image builds it'

t.test('the final .config of the built kernel keeps every line of the fragment', { skip }, async t =>
  t.same(leastMissing(configs), []),
)

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
  t.test(`the built kernel has no ${option}`, { skip }, async t => {
    for (const config of configs) t.notMatch(config, new RegExp(`^CONFIG_${option}=`, 'm'))
  })
