import { isSet } from './command.ts'
import type { Command } from './command.ts'
import { findNode, genesisOnly, nodeOptions } from './node-file.ts'
import type { GenesisFile } from './node-file.ts'

export const nodeWgConfig: Command = {
  help: "print your WireGuard configuration for a node's cluster; it holds your private key",
  options: { ...nodeOptions, setconf: { help: "for 'wg setconf', which knows no addresses" } },
  examples: [
    '(umask 077; orama node wg-config --node-ip 192.0.2.7 >orama0.conf); wg-quick up ./orama0.conf',
    'orama node wg-config --node-ip 192.0.2.7 --setconf | wg setconf orama0 /dev/stdin',
  ],
  async run(world, input) {
    const node = genesisOnly(await findNode(world, input), {
      what: 'WireGuard key',
      hint: 'Reach it through its gateway: --env NAME',
    })
    const { operatorAddress, nodeAddress, prefix } = node.wireguard
    const text = wgConfig(node, isSet(input, 'setconf') ? 'setconf' : 'wg-quick')
    return {
      json: { nodeId: node.nodeId, address: `${operatorAddress}/${prefix}`, nodeAddress, config: text },
      text,
    }
  },
}

/** The operator's side of the tunnel, in the format of wg(8); `wg-quick` also wants the address. */
export function wgConfig(node: GenesisFile, reader: 'wg-quick' | 'setconf'): string {
  const { wireguard, nodeIp, hello } = node
  const key = wireguard.operatorPrivate
  return [
    '[Interface]',
    key === undefined ? `# PrivateKey = the one of ${wireguard.operatorPublic}` : `PrivateKey = ${key}`,
    ...(reader === 'wg-quick' ? [`Address = ${wireguard.operatorAddress}/${wireguard.prefix}`] : []),
    '',
    '[Peer]',
    `PublicKey = ${hello.wireguard}`,
    `Endpoint = ${nodeIp}:${wireguard.listenPort}`,
    `AllowedIPs = ${wireguard.nodeAddress}/32`,
    'PersistentKeepalive = 25',
  ].join('\n')
}
