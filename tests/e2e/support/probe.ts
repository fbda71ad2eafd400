import { bootMs, type Site } from './node.ts'
import { poll } from './poll.ts'

type Place = Pick<Site, 'network'>

/** Has the hostile probe of a test image try something (services/probe/attempts.ts): 'done', an error's name, or what it saw. */
export function attempt(site: Place, name: string, ...words: readonly (string | number)[]): Promise<string> {
  return ask(site, `try/${name}?${words.map(word => `word=${encodeURIComponent(word)}`).join('&')}`)
}

/** Tells the probe how to behave; it keeps to it when it is started again. */
export async function setMode(site: Place, mode: 'good' | 'mute' | 'hung' | 'deaf'): Promise<void> {
  await ask(site, `mode/${mode}`)
}

/** Waits until the probe's data is half made. Throws where that is over, or does not come. */
export async function untilHalfMade(site: Place): Promise<void> {
  // Until it listens, nobody answers.
  const asked = () => ask(site, 'set-up').catch(() => 'nothing')
  const wanted = (said: string) => said !== 'nothing'
  const said = await poll({ ask: asked, wanted, what: "the probe's half-made data", deadlineMs: bootMs })
  if (said !== 'begun') throw new Error(`Cannot see the probe's data half made: it says ${said}`)
}

function ask({ network }: Place, path: string): Promise<string> {
  const flags = ['-s', '-S', '-m', '100', '-X', 'POST', `http://10.0.0.1:10190/${path}`]
  return network.exec('curl', flags, { timeoutMs: 120_000 })
}
