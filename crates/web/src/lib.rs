//! The browser UI as one self-contained page.
//!
//! The page is TypeScript under `ui/`; the build script compiles it and this crate embeds the
//! result: script and style stand inside `index.html`, which loads nothing but data. It knows no
//! routes and no HTTP: the viewer serves it.

#[cfg(test)]
mod tests;

include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// The page in the forms a server needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// `index.html`, UTF-8.
    pub html: &'static [u8],
    /// The same, gzip.
    pub gzip: &'static [u8],
    /// A strong entity tag with its quotes, made from the content.
    pub etag: &'static str,
    /// The value of `Content-Security-Policy` under which the page works: its own script and style
    /// by their hashes, connections to its own origin, nothing else.
    pub csp: &'static str,
}

/// Whether the page is the one-line stand-in of `FGM_WEB=stub` rather than the UI.
pub const STUB: bool = IS_STUB;

/// The embedded page.
#[must_use]
pub const fn page() -> Page {
    Page {
        html: include_bytes!(concat!(env!("OUT_DIR"), "/index.html")),
        gzip: include_bytes!(concat!(env!("OUT_DIR"), "/index.html.gz")),
        etag: ETAG,
        csp: CSP,
    }
}
