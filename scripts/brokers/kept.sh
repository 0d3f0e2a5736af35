# shellcheck shell=bash
# What is downloaded and built once, outside the checkout, as .ci/run keeps its target. Sourced by scripts/broker.

KEPT=${XDG_CACHE_HOME:-$HOME/.cache}/tokenstorm
readonly KEPT

# keep NAME FUNCTION: the folder $KEPT/NAME, made by FUNCTION, which is called in a folder that gets this name when it is
# complete. An interrupted download or build is made anew, and one at a time makes it. NAME has the version in it.
keep() (
    folder=$KEPT/$1
    [[ -d $folder ]] && return
    mkdir -p "$KEPT"
    exec 8>"$folder.lock"
    flock 8
    [[ -d $folder ]] && return
    start=$SECONDS
    say "making $folder"
    # What root made on the way is there where that was interrupted.
    rm -rf "$folder.new" 2>/dev/null || as_root rm -rf "$folder.new"
    mkdir "$folder.new"
    cd "$folder.new" || exit
    "$2"
    mv "$folder.new" "$folder"
    say "made $folder in $((SECONDS - start)) s, $(du -sm "$folder" | cut -f1) MB"
)

# digest FILE...: what a name has in it, so that something built of these files is built anew when they change.
digest() {
    cat "$@" | sha256sum | cut -c1-12
}

# Talks only if it fails: downloads and compilers are of no interest otherwise.
quietly() {
    local output
    output=$("$@" 2>&1 8>&- 9>&-) && return
    printf '%s\n' "$output" | tail -n 20 >&2
    die "$1 failed: $*"
}

# maven ARGUMENT...: with a repository of its own in the working folder, so that nothing of an interrupted download is
# found by the next one.
maven() {
    quietly mvn -q -B -Dmaven.repo.local="$PWD/m2" "$@"
}

# The plugin that copies artifacts, by its version: Debian's Maven would look for the newest one.
MAVEN_DEPENDENCY=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
