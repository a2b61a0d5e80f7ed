# `nix develop`: what building, testing and deploying by hand takes.
{ mkShell, cargo, rustc, clippy, rustfmt, rust-analyzer, cargo-deny, cargo-insta, cargo-nextest, nodejs, chromium, duckdb, jq, kind, kubectl, kustomize, lib }:
mkShell {
  packages = [
    cargo
    rustc
    clippy
    rustfmt
    rust-analyzer
    cargo-deny
    cargo-insta
    cargo-nextest
    nodejs
    duckdb
    jq
    kind
    kubectl
    kustomize
  ];
  env = {
    FGM_CHROMIUM = lib.getExe chromium;
    RUST_BACKTRACE = "1";
  };
  shellHook = "echo 'Fine-Grained Monitor: cargo test --workspace; cargo run --bin fgm-lab -- up' >&2";
}
