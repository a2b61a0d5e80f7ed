import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventRow } from "../data/types";
import { facts, markdown, sentence } from "../state/incident";

const event = (kind: string, detail: EventRow["detail"]): EventRow => ({
  event_id: "e1",
  kind,
  time_ms: Date.UTC(2026, 10, 24, 14, 21, 7),
  id: "a1b2c3d4e5f6",
  name: "cart-redis",
  detail,
});

test("an event is one sentence, with units", () => {
  const oom = event("oom_kill", {
    limit_bytes: 268_435_456,
    victim: { pid: 7, name: "redis-server", anon_rss_bytes: 1024 },
    reason: null,
    sources: ["container", "kernel"],
    allocation_bytes_per_s: 2048,
  });
  assert.equal(sentence(oom, "cart-redis"), "OOM kill · cart-redis · limit 256 MiB · redis-server");
  assert.deepEqual(facts(oom), [
    ["limit", "256 MiB"],
    ["victim pid", "7"],
    ["victim name", "redis-server"],
    ["victim anon rss", "1 KiB"],
    ["sources", "container, kernel"],
    ["allocation", "2 KiB/s"],
  ]);
  const changes = [{ limit: "memory_max", before: 536_870_912, after: null }];
  const limit = event("limit_changed", { changes });
  assert.equal(sentence(limit, "x"), "limit changed · x · memory_max 512 MiB → unlimited");
  assert.deepEqual(facts(limit), [["change", "memory_max 512 MiB → unlimited"]]);
  const restart = event("restarted", { restart_count: 3, exit_code: 137, reason: "OOMKilled" });
  assert.equal(sentence(restart, "x"), "restarted · x · #3 · exit 137 · OOMKilled");
  assert.equal(sentence(event("throttling_started", { throttled_percent: 61.2 }), "x"), "throttled · x · 61.2 % of periods");
  assert.equal(sentence(event("new_kind", {}), "x"), "new kind · x");
});

test("an incident is Markdown that no name can break", () => {
  const told = [{ title: "Memory", value: "255 MiB" }];
  const text = markdown(event("oom_kill", { victim: "a*b|<script>" }), "shop/cart_redis", "node-1", told, "http://h/#v=1");
  assert.match(text, /^\*\*OOM kill\*\* of shop\/cart\\_redis on node-1$/m);
  assert.match(text, /^- time: 2026-11-24T14:21:07\.000Z$/m);
  assert.match(text, /^- victim: a\\\*b\\\|\\<script\\>$/m);
  assert.match(text, /^- Memory at that moment: 255 MiB$/m);
  assert.match(text, /\(http:\/\/h\/#v=1\)$/m);
});
