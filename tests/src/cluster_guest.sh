# shellcheck shell=dash
# Functions of the scripts that run in the guest beside the cluster, as its administrator.

until_true() { # until_true SECONDS COMMAND...
    n=$1
    shift
    until "$@"; do
        n=$((n - 1))
        [ $n -gt 0 ] || { echo "never: $*"; exit 1; }
        sleep 1
    done
}
