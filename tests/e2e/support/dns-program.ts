import { Resolver } from 'node:dns/promises'

/** Runs in a test's network namespace: asks a DNS server for a name, prints IPv4 addresses or the error's code. */
const [server = '', name = ''] = process.argv.slice(2)
const resolver = new Resolver({ timeout: 5000, tries: 2 })
resolver.setServers([server])
const said = await resolver.resolve4(name).then(
  addresses => addresses.sort().join(' '),
  (error: unknown) => (error as NodeJS.ErrnoException).code ?? String(error),
)
process.stdout.write(`${said}\n`)
