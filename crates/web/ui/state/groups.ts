// Panels that stack the parts of one container: whose, and the frame made of the parts.

import type { Frame } from "../data/fgmf";
import * as store from "./store";
import { parts } from "./stack";

const made = new Map<string, { readonly frames: readonly (Frame | null)[]; readonly id: string; readonly frame: Frame | null }>();

/** Whom a group is about: the focused container, else the largest. */
export function subjectOf(group: string): string | null {
  const found = store.groupById.value.get(group);
  if (!found) return null;
  const [focused] = store.view.value.focus;
  if (focused !== undefined) return focused;
  const first = store.loaded.value.get(found.parts[0])?.frame;
  return first?.series[0]?.id ?? null;
}

/** The frame of a panel, whether of a metric or of a group. */
export function frameOf(metric: string): Frame | null {
  const group = store.groupById.value.get(metric);
  if (!group) return store.loaded.value.get(metric)?.frame ?? null;
  const id = subjectOf(metric);
  if (id === null) return null;
  const frames = group.parts.map((part) => store.loaded.value.get(part)?.frame ?? null);
  const kept = made.get(metric);
  if (kept && kept.id === id && kept.frames.every((frame, i) => frame === frames[i])) return kept.frame;
  const frame = parts(frames, id, metric);
  made.set(metric, { frames, id, frame });
  group.parts.forEach((part, i) => store.colours.fix(part, i));
  return frame;
}
