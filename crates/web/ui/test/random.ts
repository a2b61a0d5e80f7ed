// A small seeded generator: a property test that fails must fail again.

export function random(seed: number): { next: () => number; below: (n: number) => number; pick: <T>(from: readonly T[]) => T } {
  let state = seed >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const below = (n: number): number => Math.floor(next() * n);
  return { next, below, pick: (from) => from[below(from.length)] };
}
