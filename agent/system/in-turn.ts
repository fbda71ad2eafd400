/** Carries out one act at a time, as they come; one that throws does not keep the next from its turn. */
export type InTurn = <T>(act: () => T | Promise<T>) => Promise<T>

export function inTurn(): InTurn {
  let last: Promise<unknown> = Promise.resolve()
  return act => {
    const turn = last.then(act)
    last = turn.catch(() => undefined)
    return turn
  }
}

/** The same for each key by itself; of keys that there are few of, since none is forgotten. */
export function inTurnByKey(): (key: string) => InTurn {
  const turns = new Map<string, InTurn>()
  return key => {
    const turn = turns.get(key) ?? inTurn()
    turns.set(key, turn)
    return turn
  }
}
