// What the parts may ask of the loader without knowing it.

let retry: () => void = () => undefined;

export const again = (): void => retry();

export function onAgain(run: () => void): void {
  retry = run;
}
