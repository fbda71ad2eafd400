/** What the last lines of a failed build say, and what can be done: the first row that fits is the most exact. */
const reasons: readonly (readonly [
  sign: RegExp,
  why: (match: RegExpExecArray, downloads: string) => string,
])[] = [
  [/No space left on device/, () => 'the disk is full'],
  [
    /ERROR: (\S+) has wrong (\w+) hash/,
    ([, file = '', kind = ''], downloads) =>
      `'${file}' is not the file whose ${kind} is pinned; what was downloaded is gone, a file of your own in ${downloads} has to go`,
  ],
  [/ERROR: No hash found for (\S+)/, ([, file = '']) => `no hash of '${file}' is pinned in its .hash file`],
  [
    /set-(ORAMAOS_\w+)\.invalid/i,
    ([, name = ''], downloads) =>
      `nobody says where a registry is: set ${name.toUpperCase()} to its address, or put the files into ${downloads}`,
  ],
  [
    /\/([^/\s]+)\/\.stamp_downloaded\] Error/,
    ([, name = ''], downloads) =>
      `the source of ${name} cannot be downloaded: put its file into ${downloads}, or name a folder that has it by BR2_DL_DIR; 'make source' of Buildroot fills one where there is a network`,
  ],
  [
    /\/([^/\s]+)\/\.stamp_(\w+)\] Error/,
    ({ input, 1: name = '', 2: stage = '' }) => `${name} failed before '${stage}'${complaint(input)}`,
  ],
]

/** The first thing that a compiler or make itself complains of: what follows it are its consequences. */
const complaining = /^.*(?:\berror: |\*\*\* (?!\[)).*$/im

function complaint(text: string): string {
  const [line] = complaining.exec(text) ?? []
  return line === undefined ? '' : `: ${line.trim().slice(0, 200)}`
}

/** One sentence about why a build failed, from the end of its output. */
export function reasonOf(lines: readonly string[], downloads: string): string {
  const text = lines.join('\n')
  for (const [sign, why] of reasons) {
    const match = sign.exec(text)
    if (match !== null) return why(match, downloads)
  }
  return 'its output says why'
}
