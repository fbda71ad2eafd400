import { soleAuthority, type Trust } from '../../../protocol/cluster/trust.ts'
import { type Challenge, composeLogin } from '../../../protocol/login.ts'
import {
  type Refresh,
  signInDesk,
  signInKeys,
  type SignInStore,
  type SignInWith,
} from '../../../services/gateway/sign-in.ts'
import { authority, cluster, newWallet, signedBy, type TestWallet } from '../../protocol/cluster/sample.ts'

export const gatewayKey = Buffer.alloc(32, 1)
export const audience = 'https://gateway.example'
export const operator = newWallet()
export const trust: Trust = {
  ...soleAuthority({ cluster, authority: authority.address }),
  operators: [{ address: operator.address }],
}

/** A store of one gateway; lists what it was asked, for tests to look at. */
export function memoryStore(): SignInStore & { readonly saved: Refresh[]; readonly nonces: Set<string> } {
  const saved: Refresh[] = []
  const nonces = new Set<string>()
  const used = new Set<string>()
  const ended = new Set<string>()
  return {
    saved,
    nonces,
    useNonce: nonce => {
      const isNew = !nonces.has(nonce)
      nonces.add(nonce)
      return Promise.resolve(isNew)
    },
    saveRefresh: refresh => {
      saved.push(refresh)
      return Promise.resolve()
    },
    useRefresh: hash => {
      const refresh = saved.find(one => one.hash === hash)
      if (refresh === undefined || ended.has(refresh.session)) return Promise.resolve(undefined)
      const isFirstUse = !used.has(hash)
      used.add(hash)
      return Promise.resolve({ refresh, isFirstUse })
    },
    endSession: session => {
      ended.add(session)
      return Promise.resolve()
    },
  }
}

export type Clock = { nowMs: number }

/** A desk with a clock that the test moves. */
export function deskAt(changes: Partial<SignInWith> = {}) {
  const clock: Clock = { nowMs: Date.parse('2026-11-21T08:00:00Z') }
  const store = memoryStore()
  const desk = signInDesk({
    cluster,
    audience,
    keys: signInKeys(gatewayKey),
    trust: () => trust,
    store,
    now: () => new Date(clock.nowMs),
    ...changes,
  })
  return { desk, clock, store }
}

/** What an operator sends for a challenge. */
export const loginFor = (challenge: Challenge, wallet: TestWallet = operator) =>
  signedBy(wallet, composeLogin(challenge))
