// Fuzzy search over metric ids and titles: every word must match as a subsequence; the score favours
// beginnings of words and unbroken runs, and punishes gaps. Pure.

/** What matched, best first. */
export interface Match<T> {
  readonly item: T;
  readonly score: number;
  /** Positions in the id that matched, to be marked. */
  readonly marks: ReadonlySet<number>;
}

const WORD_START = 10;
const RUN = 8;
const LETTER = 1;

const isStart = (text: string, at: number): boolean =>
  at === 0 || !/[a-z0-9]/.test(text[at - 1]) || (/[0-9]/.test(text[at]) && !/[0-9]/.test(text[at - 1]));

interface Alignment {
  readonly score: number;
  readonly at: readonly number[];
}

/**
 * The best way to find `word` in `text` as a subsequence. Dynamic programming over (letter of the
 * word, position): trying every start greedily would miss `mpss` = m·emory_·pss.
 */
export function align(word: string, text: string): Alignment | null {
  const width = text.length;
  const best: Float64Array[] = [];
  const from: Int32Array[] = [];
  for (let letter = 0; letter < word.length; letter++) {
    const row = new Float64Array(width).fill(-Infinity);
    const back = new Int32Array(width).fill(-1);
    const previous = best[letter - 1];
    // The best end of the word so far, worn down by one for each letter skipped.
    let carried = -Infinity;
    let carriedAt = -1;
    for (let at = letter; at < width; at++) {
      if (previous && at > 0 && previous[at - 1] >= carried - 1) {
        carried = previous[at - 1];
        carriedAt = at - 1;
      } else {
        carried -= 1;
      }
      if (text[at] !== word[letter]) continue;
      const own = LETTER + (isStart(text, at) ? WORD_START : 0);
      if (!previous) {
        row[at] = own - at * 0.1;
        continue;
      }
      const run = previous[at - 1] + RUN;
      if (at > 0 && run >= carried) {
        row[at] = own + run;
        back[at] = at - 1;
      } else if (carriedAt >= 0) {
        row[at] = own + carried;
        back[at] = carriedAt;
      }
    }
    best.push(row);
    from.push(back);
  }
  const last = best[best.length - 1];
  if (!last) return null;
  let end = -1;
  for (let at = 0; at < width; at++) {
    // A word that ends where a segment of the id ends is likely what was meant.
    if (last[at] > -Infinity && (at + 1 === width || !/[a-z0-9]/.test(text[at + 1]))) last[at] += 4;
    if (last[at] > (end < 0 ? -Infinity : last[end])) end = at;
  }
  if (end < 0) return null;
  const path: number[] = [];
  for (let letter = word.length - 1, at = end; letter >= 0; letter--) {
    path.push(at);
    at = from[letter][at];
  }
  return { score: last[end], at: path.reverse() };
}

/** Ranks `items` by how well `query` fits their id, or else their title. */
export function search<T>(
  items: readonly T[],
  query: string,
  text: (item: T) => { readonly id: string; readonly title: string },
  /** Added to the score of those that are usually meant. */
  favour: (item: T) => number = () => 0,
): Match<T>[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found: Match<T>[] = [];
  for (const item of items) {
    const { id, title } = text(item);
    let score = 0;
    const marks = new Set<number>();
    const complete = words.every((word) => {
      const inId = align(word, id);
      const inTitle = align(word, title.toLowerCase());
      // Scattered letters of a long title fit anything: a title must earn its match.
      const titleScore = inTitle && inTitle.score >= word.length * 5 ? inTitle.score - 6 : -Infinity;
      if (inId && inId.score >= titleScore) {
        inId.at.forEach((at) => marks.add(at));
        score += inId.score;
        return true;
      }
      score += titleScore;
      return titleScore > -Infinity;
    });
    if (complete) found.push({ item, score: score + favour(item) - id.length * 0.1, marks });
  }
  return words.length === 0 ? found : found.sort((a, b) => b.score - a.score);
}

/** Metrics that are meant more often than others that fit as well. */
const USUAL = ["cpu_usage_millicores", "cpu_throttled_percent", "memory_current", "memory_working_set"];

export const favour = (metric: { readonly id: string; readonly derived: boolean }): number =>
  USUAL.includes(metric.id) ? 4 : metric.derived ? 2 : 0;
