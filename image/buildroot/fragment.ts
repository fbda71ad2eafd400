/** What Buildroot's fix-ups would write into the kernel's .config after our fragment: its echo commands, the last of each option. */
export function fixupLines(commands: string): string[] {
  const last = new Map<string, string>()
  for (const [, text = ''] of commands.matchAll(/echo '((?:# )?CONFIG_[^']+)'/g))
    last.set(optionOf(text), text)
  return [...last.values()]
}

/** Fix-ups that say otherwise than the fragment. */
export function contradictions(fragment: string, commands: string): string[] {
  const asked = new Map(
    fragment
      .split('\n')
      .filter(text => /^(CONFIG_\w+=.+|# CONFIG_\w+ is not set)$/.test(text))
      .map(text => [optionOf(text), text]),
  )
  return fixupLines(commands).flatMap(text => {
    const ours = asked.get(optionOf(text))
    return ours === undefined || ours === text
      ? []
      : [`the fragment has '${ours}', Buildroot writes '${text}'`]
  })
}

function optionOf(text: string): string {
  return /CONFIG_\w+/.exec(text)?.[0] ?? ''
}
