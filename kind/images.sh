#!/usr/bin/env bash
# Makes the images of the cluster from programs that cargo built, without Nix and without a
# container engine: one archive per program, an OCI layout that `docker load` takes as well.
#
#   kind/images.sh OUT [PROGRAMS]    PROGRAMS: their folder, by default target/release
set -euo pipefail
export LC_ALL=C

programs=(fgm fgm-viewer fgm-consolidator fgm-workload)

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
out=$1
from=${2:-$(dirname "$0")/../target/release}
for program in "${programs[@]}"; do
    if [ ! -x "$from/$program" ]; then
        echo "$from/$program is not there: cargo build --release, or name the folder of the programs" >&2
        exit 1
    fi
done

case $(uname -m) in
    x86_64) architecture=amd64 ;;
    aarch64) architecture=arm64 ;;
    *) echo "no images are made for $(uname -m)" >&2; exit 1 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
mkdir -p "$out"

# The same files give the same bytes.
archive() { tar --sort=name --mtime=@1 --owner=0 --group=0 --numeric-owner -cf "$1" -C "$2" .; }

# blob FILE: into the layout by its digest, which is left in $digest, and its size in $size.
blob() {
    digest=$(sha256sum "$1" | cut -d' ' -f1)
    size=$(stat -c %s "$1")
    mv "$1" "$layout/blobs/sha256/$digest"
}

for program in "${programs[@]}"; do
    root=$work/$program/root layout=$work/$program/layout
    mkdir -p "$root/bin" "$root/etc/ssl/certs" "$layout/blobs/sha256"
    mkdir -m 1777 "$root/tmp"
    strip -o "$root/bin/$program" "$from/$program" 2> "$work/strip" || cp "$from/$program" "$root/bin/$program"
    chmod 755 "$root/bin/$program"
    # Its libraries and its loader; a static program has none.
    if libraries=$(ldd "$from/$program" 2> "$work/ldd"); then
        grep -o '/[^ )]*' <<< "$libraries" | sort -u | while read -r library; do
            install -D -m755 "$library" "$root$library"
        done
    fi
    if [ -r /etc/ssl/certs/ca-certificates.crt ]; then
        install -m644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-bundle.crt"
    fi

    archive "$work/file" "$root"
    blob "$work/file"
    layer=$digest layer_size=$size
    cat > "$work/file" << JSON
{"architecture":"$architecture","os":"linux","config":{"Entrypoint":["/bin/$program"],"User":"65532:65532","Env":["SSL_CERT_FILE=/etc/ssl/certs/ca-bundle.crt"]},"rootfs":{"type":"layers","diff_ids":["sha256:$layer"]}}
JSON
    blob "$work/file"
    config=$digest config_size=$size
    # What it is made of is its name, so that another image is another name.
    name=localhost/$program:${config:0:32}
    cat > "$work/file" << JSON
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:$config","size":$config_size},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:$layer","size":$layer_size}]}
JSON
    blob "$work/file"
    cat > "$layout/index.json" << JSON
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:$digest","size":$size,"annotations":{"io.containerd.image.name":"$name","org.opencontainers.image.ref.name":"${name#*:}"}}]}
JSON
    printf '{"imageLayoutVersion":"1.0.0"}\n' > "$layout/oci-layout"
    cat > "$layout/manifest.json" << JSON
[{"Config":"blobs/sha256/$config","RepoTags":["$name"],"Layers":["blobs/sha256/$layer"]}]
JSON
    archive "$work/image.tar" "$layout"
    mv "$work/image.tar" "$out/$program.tar"
    echo "$name"
    rm -rf "${work:?}/$program"
done
