// The selection text (`ns:a|b qos:burstable "my pod"`): terms separated by spaces, of which all must
// hold; alternatives of one key are separated by `|`. The server evaluates it, this edits it.

/** The keys that are shown as chips. */
export type ChipKey = "ns" | "qos" | "has";

export interface Term {
  /** Empty for a bare word. */
  readonly key: string;
  readonly values: readonly string[];
}

/** Splits where `separator` matches, but not inside double quotes. */
function splitOutsideQuotes(text: string, separator: RegExp): string[] {
  const parts: string[] = [];
  let part = "";
  let quoted = false;
  for (const char of text) {
    if (char === '"') quoted = !quoted;
    if (!quoted && separator.test(char)) {
      parts.push(part);
      part = "";
    } else {
      part += char;
    }
  }
  parts.push(part);
  return parts.filter((piece) => piece !== "");
}

const unquote = (text: string): string => text.replaceAll('"', "");
const quote = (text: string): string => (/[\s|:"]/.test(text) ? `"${unquote(text)}"` : text);

/** The terms of a text; an unknown key is a term like any other here. */
export function terms(text: string): Term[] {
  return splitOutsideQuotes(text, /\s/).map((word) => {
    const match = /^([a-z]+):(.*)$/s.exec(word);
    if (!match) return { key: "", values: [unquote(word)] };
    return { key: match[1], values: splitOutsideQuotes(match[2], /\|/).map(unquote) };
  });
}

function write(list: readonly Term[]): string {
  return list
    .filter(({ values }) => values.length > 0)
    .map(({ key, values }) => (key ? `${key}:` : "") + values.map(quote).join("|"))
    .join(" ");
}

/** Large and small letters count alike. */
export const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/** The values that `key` is restricted to; empty when it is not. */
export function chosen(text: string, key: ChipKey): readonly string[] {
  return terms(text).find((term) => term.key === key)?.values ?? [];
}

/** The text with `value` of `key` switched on or off; every other term stays. */
export function toggle(text: string, key: ChipKey, value: string): string {
  const list = terms(text);
  const at = list.findIndex((term) => term.key === key);
  if (at < 0) return write([...list, { key, values: [value] }]);
  const { values } = list[at];
  const rest = values.filter((one) => !sameName(one, value));
  const next = rest.length < values.length ? rest : [...values, value];
  return write(list.with(at, { key, values: next }));
}
