use super::*;
use crate::fixture::{Bed, HOUR, instance, tick_of};
use fgm_model::Signal;

#[test]
fn the_text_of_a_directory() {
    let bed = Bed::new();
    bed.segment(&[tick_of(HOUR, 0, &[(&instance(1), 7)])]);
    let text = views(bed.dir.root()).expect("views");
    let root = bed.dir.root().to_str().expect("UTF-8");
    let text = text
        .replace(root, "/data")
        .replace(env!("CARGO_PKG_VERSION"), "VERSION");
    // Roll-ups have hundreds of columns, whose names are a snapshot of the model.
    let (raw, roll_ups) = text.split_once("-- metrics_60s").expect("roll-ups");
    insta::assert_snapshot!(raw);
    for name in [
        "metrics_600s",
        "pods_60s",
        "pods_600s",
        "node_60s",
        "node_600s",
    ] {
        assert!(
            roll_ups.contains(&format!("CREATE OR REPLACE VIEW {name} AS")),
            "{name}"
        );
    }
}

#[test]
fn every_signal_of_the_catalogue_is_a_column() {
    let bed = Bed::new();
    let text = views(bed.dir.root()).expect("views");
    for signal in Signal::all() {
        assert!(
            text.contains(&format!(" AS {}", signal.id())),
            "{}",
            signal.id()
        );
    }
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let error = views(Path::new("/nowhere/at/all")).expect_err("it is not there");
    assert!(error.to_string().contains("/nowhere/at/all"));
}

#[test]
fn a_directory_may_have_any_name() {
    assert_eq!(
        pattern(Path::new("/it's [a] test*")),
        "'/it''s [[]a] test[*]/dt=*/pod=*/*.parquet'"
    );
}
