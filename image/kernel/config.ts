/**
 * The lines of a configuration fragment that a final `.config` does not keep: `CONFIG_X=v` must stand in it to
 * the letter, `# CONFIG_X is not set` asks that X be neither y, m nor a value. Options hidden behind one that
 * is off vanish from `.config` without a word, hence this check.
 */
export function missingOptions(fragment: string, config: string): string[] {
  const lines = new Set(config.split('\n'))
  const set = new Set([...lines].flatMap(line => /^(CONFIG_\w+)=/.exec(line)?.[1] ?? []))
  return fragment.split('\n').filter(line => {
    const off = /^# (CONFIG_\w+) is not set$/.exec(line)?.[1]
    if (off !== undefined) return set.has(off)
    return line.startsWith('CONFIG_') && !lines.has(line)
  })
}
