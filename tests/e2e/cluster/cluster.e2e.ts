import t from 'tap'
import { makeCluster } from '../support/cluster.ts'
import { hurryAnd } from '../support/cluster-acts.ts'
import { heldShares } from '../support/held-shares.ts'
import { testImage } from '../support/image.ts'
import { clone } from './clone.ts'
import { fewGuardians } from './few-guardians.ts'
import { hold, readElsewhere, reportAll, startAgain } from './gateways.ts'
import { leave, shareOld } from './leave.ts'
import { powerCut } from './power-cut.ts'
import { type Act, sixOf } from './six.ts'
import { cutTransition, giveSecrets } from './transition.ts'

const acts: readonly (readonly [what: string, act: Act])[] = [
  ['every node gives its secret to the five others, and its escrow goes', giveSecrets],
  ['one report has all of them', reportAll],
  ['what was written at one gateway is read at another when the first is off', readElsewhere],
  ['the power may be cut at any write of the transition', cutTransition],
  ['each node that starts again is opened by the others, with nobody at a keyboard', startAgain],
  ['a held node stays closed, and opens when it is released', hold],
  ['with one guardian too few a node waits and says for whom; the next good one opens it', fewGuardians],
  ['all lose power at once, find other addresses, and two guardians lie: all come back', powerCut],
  ['a copied disk does not open beside its original', clone],
  ['a node that leaves is forgotten, its disk is noise, and the others share anew', leave],
  ['the share of an old epoch opens nothing, and who gives it is named', shareOld],
]

// Six machines: the first is enrolled as genesis, the others join by invites, three of them by their own call to its
// gateway. Then all give their secrets to each other, and from there on nobody is at a keyboard. The first three have
// gateway and registry.
t.test('a cluster of six nodes', async t => {
  const [image, callingImage] = [await testImage('cluster'), await testImage('lean')]
  const of = { image, callingImage, count: 6, calling: 3, recorded: 1, boot: hurryAnd() }
  const six = sixOf(await makeCluster(t, of), { image: callingImage, shares: heldShares() })
  // Each act begins where the one before has ended.
  for (const [what, act] of acts) if (t.passing()) await t.test(what, t => act(t, six))
})
