//! What is embedded: small, self-contained, and as its policy says.

use crate::{STUB, page};
use std::io::Read;

/// Bytes of the compressed page, at most: a page for VMs and slow links.
const LARGEST_GZIP: usize = 120 * 1024;

fn html() -> &'static str {
    std::str::from_utf8(page().html).unwrap()
}

/// The UI itself; a build with the stub has nothing of it to look at.
fn ui() -> Option<&'static str> {
    if STUB {
        eprintln!("skipped: built with FGM_WEB=stub; unset it to test the real page");
        return None;
    }
    Some(html())
}

#[test]
fn gzip_form_is_the_page() {
    let mut text = String::new();
    flate2::read::GzDecoder::new(page().gzip)
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, html());
    assert!(text.starts_with("<!doctype html>"), "{}", &text[..40]);
}

#[test]
fn etag_is_strong_and_quoted() {
    let etag = page().etag;
    let inner = etag
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let inner = inner.unwrap_or_else(|| panic!("{etag}"));
    assert!(inner.len() == 16 && inner.bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[test]
fn page_is_within_its_budget() {
    assert!(
        page().gzip.len() <= LARGEST_GZIP,
        "{} bytes",
        page().gzip.len()
    );
}

#[test]
fn page_loads_nothing_and_is_allowed_by_its_policy() {
    let Some(html) = ui() else { return };
    let head = &html[..html.find("<script").unwrap()];
    let markup = format!("{head}{}", &html[html.find("<body").unwrap()..]);
    for forbidden in [
        " style=\"",
        " onclick=",
        "src=\"http",
        "href=\"http",
        "src=\"/",
        "href=\"/",
    ] {
        assert!(!markup.contains(forbidden), "{forbidden}");
    }
    let csp = page().csp;
    for element in ["script", "style"] {
        let count = html.matches(&format!("</{element}>")).count();
        assert!(count > 0, "no {element}");
        let list = csp.split(&format!("{element}-src ")).nth(1).unwrap();
        let list = list.split(';').next().unwrap();
        assert_eq!(list.matches("'sha256-").count(), count, "{element}: {list}");
    }
    assert!(!csp.contains("unsafe"));
}
