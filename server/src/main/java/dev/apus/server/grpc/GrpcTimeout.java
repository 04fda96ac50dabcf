package dev.apus.server.grpc;

import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The {@code grpc-timeout} header: up to eight digits and a unit. */
final class GrpcTimeout {
    private static final Pattern FORM = Pattern.compile("([0-9]{1,8})([HMSmun])");

    private GrpcTimeout() {}

    /**
     * The timeout in nanoseconds.
     *
     * @throws IllegalArgumentException if it has not the header's form
     */
    static long nanos(CharSequence header) {
        Matcher matcher = FORM.matcher(header);
        if (!matcher.matches()) {
            throw new IllegalArgumentException("grpc-timeout must be 1 to 8 digits and one of H, M, S, m, u, n");
        }
        TimeUnit unit =
                switch (matcher.group(2)) {
                    case "H" -> TimeUnit.HOURS;
                    case "M" -> TimeUnit.MINUTES;
                    case "S" -> TimeUnit.SECONDS;
                    case "m" -> TimeUnit.MILLISECONDS;
                    case "u" -> TimeUnit.MICROSECONDS;
                    default -> TimeUnit.NANOSECONDS;
                };
        return unit.toNanos(Long.parseLong(matcher.group(1)));
    }
}
