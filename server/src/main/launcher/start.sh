# Starts the CLI; sourced by the launchers of a source tree and of an image, so that both run the JVM with the same flags.

# start JAVA APP WORK ARGS...: APP holds the jars, WORK is a folder for the AOT cache, which may be missing or read-only.
start() {
  local java=$1 app=$2 work=$3
  shift 3
  local flags=(
    --add-modules jdk.incubator.vector
    --enable-native-access=ALL-UNNAMED
    --sun-misc-unsafe-memory-access=allow   # Netty and JCTools still ask for it
    -XX:+UseCompactObjectHeaders
    -XX:MaxRAMPercentage=25
    -XX:+ExitOnOutOfMemoryError             # a supervisor restarts a process; nobody restarts a thread
    -Dapus.app="$app"
    -Dfile.encoding=UTF-8
  )
  local cache="$work/apus.aot"
  if [ -f "$cache" ]; then
    # A cache of another JVM or class path is ignored, not an error.
    flags+=("-XX:AOTCache=$cache" -Xlog:aot*=off -Xlog:cds*=off)
  fi
  # JDK_JAVA_OPTIONS and APUS_JAVA_OPTS come last, so that what a user says wins.
  # shellcheck disable=SC2206
  local user=(${APUS_JAVA_OPTS:-})
  exec "$java" "${flags[@]}" ${user[@]+"${user[@]}"} -cp "$app/*" dev.apus.server.cli.Main "$@"
}
