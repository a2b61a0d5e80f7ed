import type { Metric } from "../data/types";

export const catalogue: readonly Metric[];
