//! The browser UI, built from TypeScript and embedded as one page.
