# The manifests of each overlay as kustomize renders them, with the images of this build.
{ lib, runCommand, kustomize, sources, images }:
runCommand "fgm-manifests"
  {
    nativeBuildInputs = [ kustomize ];
    meta = {
      description = "The rendered manifests of each overlay of kind/";
      license = lib.licenses.asl20;
    };
  }
  ''
    cp -r ${sources.kind} kind
    chmod -R u+w kind
    # The generic overlay names its registry itself.
    cat >> kind/base/kustomization.yaml << 'END'
    images:
    ${lib.concatMapStrings (image: ''
      - name: ${image.imageName}
        newTag: ${image.imageTag}
    '') (lib.attrValues images)}END
    mkdir $out
    for overlay in kind/overlays/*/; do
      kustomize build $overlay > $out/$(basename $overlay).yaml
    done
  ''
