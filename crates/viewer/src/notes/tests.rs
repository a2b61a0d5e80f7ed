use super::*;
use proptest::prelude::*;

fn note(text: &str, time_ms: i64) -> Note {
    Note {
        time_ms,
        end_ms: None,
        series: None,
        text: text.into(),
    }
}

#[test]
fn a_note_is_written_changed_and_taken_away_by_who_knows_it() {
    let temp = tempfile::tempdir().unwrap();
    let notes = Notes::new(temp.path().join("_notes"));
    assert!(notes.list().unwrap().is_empty());
    let first = notes.write("b", note("deploy", 20), &Expect::New).unwrap();
    notes.write("a", note("earlier", 10), &Expect::New).unwrap();
    let texts: Vec<_> = notes
        .list()
        .unwrap()
        .into_iter()
        .map(|k| k.note.text)
        .collect();
    assert_eq!(texts, ["earlier", "deploy"]);

    let again = notes.write("b", note("x", 20), &Expect::New);
    assert!(matches!(again, Err(NoteError::Changed)));
    let known = Expect::Version(first.version.clone());
    let second = notes.write("b", note("deploy v2", 20), &known).unwrap();
    assert!(matches!(
        notes.write("b", note("y", 20), &known),
        Err(NoteError::Changed)
    ));
    assert!(matches!(
        notes.delete("b", &first.version),
        Err(NoteError::Changed)
    ));
    notes.delete("b", &second.version).unwrap();
    assert!(matches!(
        notes.delete("b", &second.version),
        Err(NoteError::Missing)
    ));
    assert_eq!(notes.list().unwrap().len(), 1);
}

#[test]
fn what_is_no_note_is_left_out() {
    let temp = tempfile::tempdir().unwrap();
    let notes = Notes::new(temp.path().to_owned());
    fs::write(temp.path().join("torn.json"), "{\"time_ms\":1").unwrap();
    fs::write(temp.path().join("Other.json"), "{}").unwrap();
    fs::create_dir(temp.path().join("dir.json")).unwrap();
    assert!(notes.list().unwrap().is_empty());
    for bad in [note(" ", 1), note(&"x".repeat(4001), 1), note("x", -1)] {
        assert!(matches!(
            notes.write("a", bad, &Expect::New),
            Err(NoteError::Content)
        ));
    }
}

proptest! {
    /// Whatever a client calls a note, nothing is written outside the directory.
    #[test]
    fn no_id_leaves_the_directory(id in "[./a-z0-9A-Z%\\\\-]{0,50}") {
        let temp = tempfile::tempdir().unwrap();
        let notes = Notes::new(temp.path().join("_notes"));
        let written = notes.write(&id, note("x", 1), &Expect::New).is_ok();
        let outside: Vec<_> = fs::read_dir(temp.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        prop_assert!(outside.iter().all(|name| name == "_notes"));
        prop_assert_eq!(written, notes.list().unwrap().iter().any(|kept| kept.id == id));
    }
}

#[test]
fn a_program_pins_a_note_where_a_viewer_finds_it() {
    let temp = tempfile::tempdir().unwrap();
    pin(
        temp.path(),
        "x-1",
        (10, Some(20)),
        "the database was killed",
    )
    .unwrap();
    pin(temp.path(), "x-1", (10, None), "again").unwrap_err();
    pin(temp.path(), "../x", (10, None), "outside").unwrap_err();
    let notes = Notes::new(DataDir::new(temp.path()).notes());
    let [kept] = &notes.list().unwrap()[..] else {
        panic!("one note")
    };
    assert_eq!(kept.note.text, "the database was killed");
    assert_eq!((kept.note.time_ms, kept.note.end_ms), (10, Some(20)));
}
