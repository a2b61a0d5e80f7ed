// The line at the bottom: how much is shown and how finely, the main keys, what is stored.

import { formatValue } from "../data/units";
import { frameOf } from "../state/groups";
import { connection, live, loaded, meta, newest, panels } from "../state/store";
import { clock, duration } from "../state/time";

export function StatusBar() {
  loaded.value;
  const frames = panels.value.flatMap(({ metric }) => frameOf(metric) ?? []);
  const series = frames.reduce((sum, frame) => sum + frame.series.length, 0);
  const finest = Math.min(...frames.map(({ step }) => step));
  const reduced = frames.some((frame) => frame.reduced);
  const about = meta.value;
  return (
    <footer>
      <span>
        {series} series
        {frames.length > 0 && ` · ${duration(finest)} ${reduced ? "buckets, extremes kept" : "resolution"}`}
      </span>
      {newest.value > 0 && about?.first_ms !== null && (
        <span data-testid="newest">
          {connection.value.state === "away" ? "waiting for the server" : live.value ? "live until" : "newest sample"}{" "}
          {clock(newest.value)}
        </span>
      )}
      <span class="keys">
        <kbd>W</kbd>
        <kbd>S</kbd> zoom <kbd>A</kbd>
        <kbd>D</kbd> pan <kbd>F</kbd> fit <kbd>L</kbd> live <kbd>?</kbd> all keys
      </span>
      {about && (
        <span class="g">
          fgm {about.version}
          {about.first_ms !== null && about.last_ms !== null
            ? ` · ${duration(Math.max(0, Math.max(about.last_ms, newest.value) - about.first_ms))} stored`
            : " · nothing stored yet"}
          {` · ${formatValue(about.bytes, "bytes")}`}
        </span>
      )}
    </footer>
  );
}
