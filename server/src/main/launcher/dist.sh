#!/usr/bin/env bash
# Makes FOLDER/apus and FOLDER/apus-VERSION-OS-ARCH.tar.gz: a runtime cut down by jlink, the jars, and a launcher.
# Called by `apus dist` from the root of a built source tree.
set -euo pipefail

out=${1:?usage: dist.sh FOLDER}
java_home=${JAVA_HOME:?JAVA_HOME must name the JDK}
image="$out/apus"
version=$(sed -n 's/^version=//p' server/target/classes/dev/apus/server/cli/version.properties)
case "$(uname -m)" in x86_64 | amd64) arch=x86_64 ;; arm64 | aarch64) arch=aarch64 ;; *) arch=$(uname -m) ;; esac
case "$(uname -s)" in Darwin) os=osx ;; *) os=linux ;; esac

# What jdeps finds, and what is only reached by reflection or by service: TLS curves, zip file systems, JFR, network options.
modules=java.base,java.logging,java.management,java.naming,java.net.http,java.xml,jdk.crypto.ec,jdk.incubator.vector
modules+=,jdk.jfr,jdk.management,jdk.net,jdk.unsupported,jdk.zipfs

mkdir -p "$out"
rm -rf "$image"
"$java_home/bin/jlink" --add-modules "$modules" --output "$image/runtime" \
  --strip-debug --no-header-files --no-man-pages --compress zip-9
mkdir -p "$image/app" "$image/bin"
cp server/target/app/*.jar "$image/app/"
cp server/src/main/launcher/start.sh "$image/bin/start.sh"
cp server/src/main/launcher/apus.sh "$image/bin/apus"
chmod +x "$image/bin/apus"

# The jars are stored, not deflated: the archive packs them better as a whole, and classes load without inflating.
# Some bring natives of every platform, or what Apus never calls: only what it needs is kept.
case "$os" in osx) jna_os=darwin jline_os=Mac ;; *) jna_os=linux jline_os=Linux ;; esac
case "$arch" in aarch64) jline_arch=arm64 ;; *) jline_arch=$arch ;; esac
keep_only() { for folder in "$1"*/; do [ "$folder" = "$2/" ] || rm -rf "$folder"; done; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for jar in "$image"/app/*.jar; do
  rm -rf "$work/jar"
  mkdir "$work/jar"
  (
    cd "$work/jar"
    "$java_home/bin/jar" xf "$jar"
    case "$jar" in
      */tokenizers-*)
        keep_only native/lib/ "native/lib/$os-$arch"
        rm -rf cv nlp ;;
      */jna-*)
        mv "com/sun/jna/$jna_os-${arch/_/-}" "$work/jna"
        rm -rf com/sun/jna/{aix,darwin,dragonflybsd,freebsd,linux,openbsd,sunos,win32}-*
        mv "$work/jna" "com/sun/jna/$jna_os-${arch/_/-}" ;;
      */jline-native-*)
        keep_only org/jline/nativ/ "org/jline/nativ/$jline_os"
        keep_only "org/jline/nativ/$jline_os/" "org/jline/nativ/$jline_os/$jline_arch" ;;
      */proto-google-common-protos-*)
        # Of Google's shared messages, gRPC's errors are com.google.rpc.
        keep_only com/google/ com/google/rpc
        rm -rf com/google/rpc/context google ;;
    esac
    "$java_home/bin/jar" c0fM "$jar" .
  )
done

# The cache is part of the image, which may lie in a read-only folder. It holds the jars' sizes and times, which tar keeps.
# shellcheck source=start.sh
. server/src/main/launcher/start.sh
make_aot "$image/runtime/bin/java" "$image/app" "$image/apus.aot" || { cat "$image/apus.aot.log" >&2; exit 1; }

archive="$out/apus-$version-$os-$arch.tar.gz"
tar -C "$out" -czf "$archive" apus
printf '%s: %s MiB\n' "$archive" "$(( ($(wc -c <"$archive") + 1048575) / 1048576 ))"
printf "Run it here with  %s/bin/apus serve , elsewhere after  tar -xzf %s\n" "$image" "$(basename "$archive")"
