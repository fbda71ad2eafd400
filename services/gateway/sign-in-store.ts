import type { Registry } from './registry/registry.ts'
import type { SignInStore } from './sign-in.ts'

/** What the registry remembers of signing in. */
export function signInStore(
  { nonces, refreshTokens, operators }: Pick<Registry, 'nonces' | 'refreshTokens' | 'operators'>,
  now: () => Date,
): SignInStore {
  return {
    useNonce: (nonce, expires) => nonces.use(nonce, expires, now()),
    saveRefresh: async refresh => {
      await refreshTokens.save(refresh, now())
      await operators.seen(refresh.address, now())
    },
    useRefresh: hash => refreshTokens.use(hash, now()),
    endSession: session => refreshTokens.endSession(session, now()),
  }
}
