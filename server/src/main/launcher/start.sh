# Starts the CLI; sourced by the launchers of a source tree and of an image, so that both run the JVM with the same flags.

# Sets `flags` and `classpath` for the jars in folder $1.
jvm_arguments() {
  local LC_ALL=C jar   # sorted the same everywhere: the AOT cache is only good for the class path it was made with
  classpath=
  for jar in "$1"/*.jar; do classpath+="${classpath:+:}$jar"; done
  flags=(
    --add-modules jdk.incubator.vector
    --enable-native-access=ALL-UNNAMED
    --sun-misc-unsafe-memory-access=allow   # Netty and JCTools still ask for it
    -XX:+UseCompactObjectHeaders
    -XX:MaxRAM=16g                          # of which the next line takes a quarter at most
    -XX:MaxRAMPercentage=25
    -XX:+UseSerialGC                        # some 30 MB live and little garbage: G1 grew to 600 MB resident after three answers, this stays at 364
    -XX:MaxNewSize=64m                      # a collection copies what lives, so a small young generation costs no more and stays small
    -Xms32m
    -XX:+ExitOnOutOfMemoryError             # a supervisor restarts a process; nobody restarts a thread
    -Dapus.app="$1"
    -Dfile.encoding=UTF-8
  )
}

# aot_stale APP CACHE: whether the cache is missing or older than a jar. The JVM compares the jars itself and ignores a cache of others.
aot_stale() {
  local jar
  [ -f "$2" ] || return 0
  for jar in "$1"/*.jar; do [ ! "$jar" -nt "$2" ] || return 0; done
  return 1
}

# make_aot JAVA APP CACHE: makes the AOT cache by a training run, some seconds. Whoever comes last wins, and nobody sees half of one.
# If it cannot be made, an empty file says so until the next build, and CACHE.log says why.
make_aot() {
  local java=$1 app=$2 cache=$3 work made=1 flags classpath
  jvm_arguments "$app"
  work=$(mktemp -d "$cache.XXXXXX") || return 1
  # JAVA_TOOL_OPTIONS and JDK_JAVA_OPTIONS are for what runs: a user's agent there would keep the JVM from making a cache.
  if env -u JDK_JAVA_OPTIONS -u JAVA_TOOL_OPTIONS "$java" "${flags[@]}" "-XX:AOTCacheOutput=$work/new" \
      -cp "$classpath" dev.apus.server.cli.Main aot-train >"$work/log" 2>&1 && [ -s "$work/new" ]; then
    mv -f "$work/new" "$cache"
    rm -f "$cache.log"
    made=0
  else
    mv -f "$work/log" "$cache.log"
    : >"$work/none"
    mv -f "$work/none" "$cache"
  fi
  rm -rf "$work"
  return "$made"
}

# start JAVA APP WORK ARGS...: APP holds the jars, WORK is a folder for the AOT cache, which may be missing or read-only.
start() {
  local java=$1 app=$2 cache="$3/apus.aot" flags classpath
  shift 3
  jvm_arguments "$app"
  if [ -s "$cache" ]; then
    # A cache of another JVM or class path is ignored, not an error.
    flags+=("-XX:AOTCache=$cache" -Xlog:aot*=off -Xlog:cds*=off)
  fi
  # JDK_JAVA_OPTIONS and APUS_JAVA_OPTS come last, so that what a user says wins.
  # shellcheck disable=SC2206
  local user=(${APUS_JAVA_OPTS:-})
  exec "$java" "${flags[@]}" ${user[@]+"${user[@]}"} -cp "$classpath" dev.apus.server.cli.Main "$@"
}
