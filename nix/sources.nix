# What each build sees: a file that is not named here does not exist in its sandbox, and does not
# rebuild it when it changes. Only files known to git exist at all.
{ lib, root }:
let
  inherit (lib) fileset;
  ui = root + "/crates/web/ui";
  source = files: fileset.toSource { inherit root; fileset = fileset.unions files; };
  rust = fileset.unions [
    (root + "/Cargo.toml")
    (root + "/Cargo.lock")
    (root + "/clippy.toml")
    (fileset.difference (root + "/crates") ui)
    # Of the page only what tests of the Rust side read.
    (ui + "/.npmrc")
    (ui + "/package.json")
    (ui + "/package-lock.json")
    (ui + "/test/sel-vectors.json")
    (root + "/specs/metrics.md")
    (fileset.maybeMissing (root + "/scenarios"))
    (root + "/tests")
  ];
in
{
  rust = source [ rust ];

  # What decides which dependencies are compiled, and how: the lock file, and each crate's manifest
  # without its lists of programs, tests and benches, which come last in it.
  cargo = source [
    (root + "/Cargo.toml")
    (root + "/Cargo.lock")
  ];
  manifests = map (file: {
    folder = lib.removePrefix "${toString root}/" (toString (dirOf file));
    text = lib.head (lib.splitString "\n[[" (builtins.readFile file));
  }) (lib.filter (file: baseNameOf file == "Cargo.toml" && dirOf file != root) (fileset.toList rust));

  # Every crate's licence and source, by the lock file.
  deny = source [
    (root + "/Cargo.toml")
    (root + "/Cargo.lock")
    (root + "/deny.toml")
    (fileset.fileFilter (file: file.name == "Cargo.toml" || file.hasExt "rs") (root + "/crates"))
    (fileset.fileFilter (file: file.name == "Cargo.toml" || file.hasExt "rs") (root + "/tests"))
  ];

  web = fileset.toSource {
    root = ui;
    fileset = ui;
  };

  kind = fileset.toSource {
    root = root + "/kind";
    fileset = root + "/kind";
  };
}
