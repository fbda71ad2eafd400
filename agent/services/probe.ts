import { connect } from 'node:net'
import { http } from '../../http/late.ts'
import { type Manifest, type ProbeKind, probePort } from './manifest.ts'

/** Whether the service answers at its probe within probeS. Never throws. */
export async function probeService(
  manifest: Manifest,
  wireguardAddress: string,
  kind: ProbeKind = 'readiness',
): Promise<boolean> {
  const { readiness, health = readiness } = manifest
  const probe = kind === 'health' ? health : readiness
  const port = probePort(probe)
  const on = manifest.ports.find(p => p.port === port && p.protocol === 'tcp')?.on
  const host = on === 'wireguard' ? wireguardAddress : '127.0.0.1'
  const signal = AbortSignal.timeout(manifest.intervals.probeS * 1000)
  if ('http' in probe) return probeHttp({ host, port, path: probe.http.path, signal })
  return probeTcp({ host, port, send: Buffer.from(probe.tcp.send, 'hex'), signal })
}

type Target = { readonly host: string; readonly port: number; readonly signal: AbortSignal }

/** True for a status from 200 to 299; the body is not read. */
function probeHttp(target: Target & { readonly path: string }): Promise<boolean> {
  return new Promise(resolve => {
    const request = http().get({ ...target, agent: false }, response => {
      const { statusCode = 0 } = response
      resolve(statusCode >= 200 && statusCode < 300)
      request.destroy()
    })
    request.on('error', () => {
      resolve(false)
    })
  })
}

/** True for the first byte that comes back, whatever it is. */
function probeTcp({ host, port, send, signal }: Target & { readonly send: Uint8Array }): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port, signal })
    socket.on('connect', () => {
      socket.write(send)
    })
    socket.on('data', () => {
      resolve(true)
      socket.destroy()
    })
    socket.on('error', () => {
      resolve(false)
    })
    socket.on('close', () => {
      resolve(false)
    })
  })
}
