package dev.apus.server.cli;

import dev.apus.server.auth.ApiKey;
import dev.apus.server.auth.KeysFile;
import dev.apus.server.auth.KeysText;
import dev.apus.server.auth.Principal;
import dev.apus.server.auth.Role;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Makes, lists and revokes the keys in a file for {@code serve --api-keys-file}. */
@Command(
        name = "keys",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description = "API keys in a file for 'serve --api-keys-file'.",
        footer = {"", "A running server follows the file within a second. Comments in it are lost."})
final class KeysCommand implements Callable<Integer> {
    @Spec
    private @Nullable CommandSpec spec;

    @Override
    public Integer call() {
        throw new UsageException("say what to do with the keys: create, list or revoke");
    }

    @Command(
            name = "create",
            mixinStandardHelpOptions = true,
            description = "Add a key to FILE, which is made if need be, and print it: it is not to be seen again.")
    int create(
            @Parameters(paramLabel = "FILE", description = "YAML, or JSON if it is called so.") Path file,
            @Option(names = "--name", paramLabel = "NAME", required = true, description = "Name of the key in logs.")
                    String name,
            @Option(
                            names = "--tenant",
                            paramLabel = "NAME",
                            description = "Whose it is. Default: a tenant called as the key")
                    @Nullable
                    String tenant,
            @Option(
                            names = "--role",
                            paramLabel = "ROLE",
                            split = ",",
                            defaultValue = "inference",
                            description = "inference, monitor or admin. Default: ${DEFAULT-VALUE}")
                    List<String> roles,
            @Option(
                            names = "--allowed-models",
                            paramLabel = "NAME",
                            split = ",",
                            description = "Models that it may use. Default: all")
                    @Nullable
                    List<String> models,
            @Option(
                            names = "--expires",
                            paramLabel = "WHEN",
                            description =
                                    "A day (2027-01-31), an instant (2027-01-31T12:00:00Z) or from now (90d, 12h).")
                    @Nullable
                    String expires) {
        String secret = ApiKey.generate();
        Instant now = Instant.now().truncatedTo(ChronoUnit.SECONDS);
        KeysFile.Entry entry = UsageException.checked(() -> new KeysFile.Entry(
                name,
                ApiKey.hash(secret),
                tenant == null ? name : tenant,
                roles.stream().map(Role::of).collect(Collectors.toSet()),
                models == null ? Set.of() : Set.copyOf(models),
                now,
                expires == null ? null : expiry(expires, now),
                false));
        update(file, keys -> keys.with(entry));
        out().println(secret);
        return 0;
    }

    @Command(name = "list", mixinStandardHelpOptions = true, description = "Show the keys of FILE.")
    int list(@Parameters(paramLabel = "FILE") Path file) {
        PrintWriter out = out();
        String format = "%-20s %-20s %-20s %-11s %-11s %s%n";
        out.printf(Locale.ROOT, format, "NAME", "TENANT", "ROLES", "CREATED", "STATE", "MODELS");
        Instant now = Instant.now();
        for (ApiKey key : KeysText.read(file).keys()) {
            Principal who = key.principal();
            Instant created = key.created();
            String roles = who.roles().stream().sorted().map(Role::word).collect(Collectors.joining(","));
            String state = key.isValid(now) ? "valid" : key.disabled() ? "revoked" : "expired";
            out.printf(
                    Locale.ROOT,
                    format,
                    who.key(),
                    who.tenant(),
                    roles,
                    created == null ? "-" : created.toString().substring(0, "2027-01-31".length()),
                    state,
                    who.models().isEmpty()
                            ? "all"
                            : String.join(",", who.models().stream().sorted().toList()));
        }
        out.flush();
        return 0;
    }

    @Command(
            name = "revoke",
            mixinStandardHelpOptions = true,
            description = "Put a key of FILE out of use: requests that have begun end, others are refused.")
    int revoke(
            @Parameters(index = "0", paramLabel = "FILE") Path file,
            @Parameters(index = "1", paramLabel = "NAME", description = "Name of the key.") String name) {
        update(file, keys -> keys.revoked(name));
        return 0;
    }

    private static void update(Path file, UnaryOperator<KeysFile> change) {
        try {
            KeysText.update(file, change);
        } catch (IOException e) {
            throw new UserException(file + " cannot be written: " + e, e);
        } catch (IllegalArgumentException e) {
            throw new UserException(String.valueOf(e.getMessage()), e);
        }
    }

    private static Instant expiry(String text, Instant now) {
        if (text.matches("[1-9][0-9]{0,4}[dh]")) {
            long count = Long.parseLong(text.substring(0, text.length() - 1));
            return now.plus(text.endsWith("d") ? Duration.ofDays(count) : Duration.ofHours(count));
        }
        Instant end = KeysText.instant("--expires", text);
        if (!end.isAfter(now)) {
            throw new IllegalArgumentException("--expires is " + end + ", which is over");
        }
        return end;
    }

    private PrintWriter out() {
        CommandSpec command = spec;
        CommandLine line = command == null ? null : command.commandLine();
        if (line == null) {
            throw new IllegalStateException("the command line sets it");
        }
        return line.getOut();
    }
}
