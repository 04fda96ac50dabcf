package dev.apus.loadtest;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A time as {@code 90}, {@code 90s}, {@code 10m} or {@code 1h}, in seconds. */
final class Seconds implements ITypeConverter<Integer> {
    private static final Pattern FORM = Pattern.compile("([0-9]{1,7})([smh]?)");

    @Override
    public Integer convert(String text) {
        Matcher form = FORM.matcher(text);
        if (!form.matches()) {
            throw new TypeConversionException("'" + text + "' is no time; write 90s, 10m or 1h");
        }
        long unit =
                switch (form.group(2)) {
                    case "m" -> 60;
                    case "h" -> 3600;
                    default -> 1;
                };
        return Math.toIntExact(Math.min(Integer.MAX_VALUE / 1000, unit * Long.parseLong(form.group(1))));
    }
}
