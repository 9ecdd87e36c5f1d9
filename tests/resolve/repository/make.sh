#!/bin/sh
# Makes the signed fixture repository anew; needs gpg, xz and gzip. The keys are thrown away, so
# everything here changes together. Read by builder/tests/repository.rs.
set -eu
cd "$(dirname "$0")"
rm -rf dists keyring.gpg keyring.asc other.gpg
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
trap 'rm -rf "$GNUPGHOME"' EXIT
sign_at() { at=$1; shift; gpg --batch --quiet --faked-system-time "$at" --pinentry-mode loopback --passphrase '' "$@"; }

sign_at 20250101T000000! --quick-generate-key 'snakeoil <snakeoil@example.invalid>' ed25519 sign never
sign_at 20250101T000000! --quick-generate-key 'expired <expired@example.invalid>' ed25519 sign 1d
sign_at 20250101T000000! --quick-generate-key 'other <other@example.invalid>' ed25519 sign never
gpg --quiet --export snakeoil expired > keyring.gpg
gpg --quiet --armor --export snakeoil > keyring.asc
gpg --quiet --export other > other.gpg

# The .debs of the fixture: the server of the test makes the same bytes (`payload`).
payload() { python3 -c "
import sys
sys.stdout.buffer.write(bytes(i * int(sys.argv[1]) % 251 for i in range(int(sys.argv[2]))))" "$1" "$2"; }

stanza() { # name version factor size fields
    printf 'Package: %s\nVersion: %s\nArchitecture: amd64\nFilename: pool/%s-%s-%s.deb\nSize: %s\nSHA256: %s\n%b\n\n' \
        "$1" "$2" "$1" "$3" "$4" "$4" "$(payload "$3" "$4" | sha256sum | cut -d' ' -f1)" "$5"
}

release() { # suite valid-until
    dir=dists/$1
    {
        printf 'Suite: %s\nCodename: %s\nDate: Wed, 01 Jan 2025 00:00:00 UTC\n' "$1" "$1"
        [ -z "$2" ] || printf 'Valid-Until: %s\n' "$2"
        printf 'Acquire-By-Hash: no\nArchitectures: amd64\nComponents: main\nSHA256:\n'
        for file in "$dir"/main/binary-amd64/*; do
            printf ' %s %s %s\n' "$(sha256sum < "$file" | cut -d' ' -f1)" "$(wc -c < "$file")" "${file#"$dir"/}"
        done
    } > "$dir/Release"
}

suite() { # suite valid-until key
    dir=dists/$1/main/binary-amd64
    mkdir -p "$dir"
    {
        stanza app 1.0-1 3 300000 'Depends: library (>= 2), alternative | library'
        stanza library 2.0-1 5 20000 'Pre-Depends: tiny'
        stanza alternative 1.0-1 7 1000 ''
        stanza tiny 1.0-1 11 1 ''
        stanza broken 1.0-1 13 10 'Depends: library (>= 3)'
        stanza enemy 1.0-1 17 10 'Conflicts: library'
    } | xz -9 > "$dir/Packages.xz"
    release "$1" "$2"
    sign_at 20250101T000000! --local-user "$3" --clearsign --output "dists/$1/InRelease" "dists/$1/Release"
}

suite good '' snakeoil
suite expired 'Thu, 02 Jan 2025 00:00:00 UTC' snakeoil
suite expired-key '' expired
suite tampered '' snakeoil
sed -i 's/^Components: main/Components: evil/' dists/tampered/InRelease
suite wrong-index '' snakeoil
printf 'Package: evil\n' | xz > dists/wrong-index/main/binary-amd64/Packages.xz
suite unsigned '' snakeoil
mv dists/unsigned/Release dists/unsigned/InRelease
suite none '' snakeoil
rm dists/none/InRelease
rm -f dists/*/Release
