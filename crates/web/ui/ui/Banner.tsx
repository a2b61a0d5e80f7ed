// The server is away, or has something to say. What was loaded stays below.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { connection, meta } from "../state/store";
import { again } from "./context";

export function Banner() {
  const now = useSignal(Date.now());
  const state = connection.value;
  const away = state.state === "away";
  useEffect(() => {
    if (!away) return undefined;
    const timer = setInterval(() => {
      now.value = Date.now();
    }, 500);
    return () => clearInterval(timer);
  }, [away]);
  if (state.state === "away") {
    const seconds = Math.max(0, Math.ceil((state.retryAt - now.value) / 1000));
    return (
      <div class="banner bad" role="alert">
        <b class="info" aria-hidden="true">!</b> {state.message}. What was loaded stays.{" "}
        {seconds > 0 ? `Next attempt in ${seconds} s.` : "Trying …"}
        <button type="button" class="btn" onClick={again}>
          Try now
        </button>
      </div>
    );
  }
  const notice = meta.value?.notice;
  return notice ? (
    <div class="banner" role="status">
      <b class="info" aria-hidden="true">i</b> {notice}
    </div>
  ) : null;
}
