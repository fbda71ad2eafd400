export type Count = { passed: number; failed: number }

/**
 * Reads the TAP of a run of test files line by line and counts tests (their lines have a time, those of assertions do
 * not). Says what a person wants to see: each file, each failure and why, each test that was skipped.
 */
export function tapReader(count: Count, say: (line: string) => void): (line: string) => void {
  let failing = false
  return line => {
    const shown = /^( *)(not ok|ok)\b(.*)/.exec(line)
    if (shown === null) {
      if (failing && line.trim() !== '') say(line)
      if (line.trim() === '...') failing = false
      return
    }
    const [, indent = '', result, name = ''] = shown
    const skipped = name.includes('# SKIP')
    failing = result === 'not ok'
    if (failing || skipped || indent.length === 0) say(line)
    if (indent.length === 0 || !name.includes('# time=') || skipped) return
    count[failing ? 'failed' : 'passed']++
  }
}

/** One part of the suite that could not even run is one failure, with everything that is known about it. */
export async function orFailed(
  part: () => Promise<Count>,
  { name, say }: { readonly name: string; readonly say: (line: string) => void },
): Promise<Count> {
  try {
    return await part()
  } catch (error) {
    say(`not ok - ${name}`)
    for (let e = error; e instanceof Error; e = e.cause) say(`  error: ${e.message}`)
    return { passed: 0, failed: 1 }
  }
}
