const line = /^(?:(BR2_\w+)=.+|# (BR2_\w+) is not set)$/

/**
 * The lines of a defconfig that do not stand to the letter in the `.config` that Buildroot made of it. A symbol that
 * was renamed, or that something else decides, vanishes from it without a word; so does one that is asked to be off
 * and is no more.
 */
export function lostLines(defconfig: string, config: string): string[] {
  const kept = new Set(config.split('\n'))
  return defconfig.split('\n').filter(text => line.test(text) && !kept.has(text))
}

/** What is neither a comment nor a line that Buildroot could read: a typing error, say. */
export function strayLines(defconfig: string): string[] {
  return defconfig
    .split('\n')
    .filter(text => text !== '' && !line.test(text) && (!text.startsWith('#') || text.includes('BR2_')))
}

/**
 * A defconfig after `menuconfig`: our lines that still hold stay where they are, with our comments; what
 * Buildroot's own savedefconfig has besides is added at the end.
 */
export function mergeDefconfig(ours: string, config: string, saved: string): string {
  const lost = new Set(lostLines(ours, config))
  const kept = ours.split('\n').filter(text => !lost.has(text))
  const added = saved.split('\n').filter(text => line.test(text) && !kept.includes(text))
  return `${[...kept.join('\n').trimEnd().split('\n'), ...(added.length > 0 ? ['', ...added] : [])].join('\n')}\n`
}

/** The symbols of `Config.in` files that do not stand for one of these packages (`ORAMA_NODE`). */
export function optionsOf(text: string, packages: readonly string[]): string[] {
  const symbols = [...text.matchAll(/^config (BR2_\w+)$/gm)].map(([, symbol = '']) => symbol)
  return symbols.filter(symbol => !packages.includes(symbol.replace('BR2_PACKAGE_', '')))
}
