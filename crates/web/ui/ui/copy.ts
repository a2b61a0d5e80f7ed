// Copying and saving: on plain http beyond this machine browsers offer no clipboard.

import { say } from "../state/actions";

/** Copies `text`, or shows it to be copied by hand. */
export async function copyText(text: string, what: string): Promise<void> {
  try {
    if (!navigator.clipboard) throw new Error("no clipboard");
    await navigator.clipboard.writeText(text);
    say(`${what} copied`);
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "by-hand";
    field.setAttribute("aria-label", `${what}, to be copied`);
    document.body.append(field);
    field.select();
    field.addEventListener("blur", () => field.remove());
    say(`Copy the ${what.toLowerCase()} with Ctrl C`, true);
  }
}

/** Hands a file to the browser. */
export function save(name: string, blob: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Follows an address whose answer is a file. */
export function download(address: string): void {
  const link = document.createElement("a");
  link.href = address;
  link.download = "";
  link.click();
}
