# The apps around the cluster and this machine: `fgm-lab` with its tools on PATH, and this build's
# images and manifests. docker or podman are the user's own.
{ writeShellApplication, kind, kubectl, kustomize, gnutar, sources, workspace, archives }:
let
  app =
    name: command: description:
    writeShellApplication {
      inherit name;
      meta = { inherit description; };
      runtimeInputs = [ workspace.binaries.fgm-lab kind kubectl kustomize gnutar ];
      text = ''exec fgm-lab ${command} "$@"'';
    };
in
{
  deploy = app "fgm-deploy" "cluster up --manifests ${sources.kind} --images ${archives}" "Make the kind cluster `fgm` where it is missing, and deploy this build into it";
  destroy = app "fgm-destroy" "cluster down" "Delete the kind cluster `fgm`";
  status = app "fgm-status" "cluster status" "Say what runs in the cluster";
  viewer = app "fgm-viewer-of-all" "viewer" "Show all nodes of the cluster in the browser";
  verify = app "fgm-verify" "cluster verify" "Check in the cluster what only a real one can tell";
  up = app "fgm-up" "up" "Record this machine and show it in the browser, without a cluster";
}
