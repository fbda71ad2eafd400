import { inNetwork } from '../../protocol/wireguard.ts'
import { HttpError } from '../../http/error.ts'
import type { Head, Route } from '../../http/server.ts'
import type { SignIn } from './sign-in.ts'

/** Who may use a route: anyone, operators who are signed in, or who asks over WireGuard or from this machine. */
export type Access = 'anyone' | 'operators' | 'network'

/** A route and who may use it; `pace` is slower where an answer costs more, or guesses must not come fast. */
export type GatewayRoute = Route & { readonly access: Access; readonly pace?: 'slow' }

export type GatewayRoutes = Readonly<Record<string, GatewayRoute>>

export type Network = { readonly address: string; readonly prefix: number }

/** What each kind of access asks of a request. Throws HttpError. */
export function admissions(of: {
  readonly signIn: Pick<SignIn, 'operatorOf'>
  readonly network: Network
}): Readonly<Record<Access, (head: Head) => void>> {
  return {
    anyone: () => undefined,
    operators: head => {
      head.visit.who = of.signIn.operatorOf(head.headers.authorization)
    },
    network: ({ from }) => {
      if (inNetwork(from, loopback) || inNetwork(from, of.network)) return
      throw new HttpError(403, 'not from here', 'ask over WireGuard')
    },
  }
}

const loopback: Network = { address: '127.0.0.0', prefix: 8 }
