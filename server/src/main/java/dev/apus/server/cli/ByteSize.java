package dev.apus.server.cli;

import java.math.BigDecimal;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads sizes as vLLM does: {@code 1024}, {@code 1k} (thousand), {@code 1K} or {@code 1KiB} (1024), {@code 25.6G}. */
final class ByteSize implements ITypeConverter<Long> {
    private static final Pattern FORM = Pattern.compile("(\\d{1,18}(?:\\.\\d{1,9})?)\\s*(?:([kmgtKMGT])(?:i?B)?|B)?");
    private static final String PREFIXES = "kmgt";

    @Override
    public Long convert(String text) {
        Matcher matcher = FORM.matcher(text.strip());
        if (!matcher.matches()) {
            throw new TypeConversionException(
                    "'" + text + "' is no size; a number of bytes is expected, or one with a unit such as 512M or 1G");
        }
        BigDecimal bytes = new BigDecimal(matcher.group(1));
        String unit = matcher.group(2);
        if (unit != null) {
            boolean binary = Character.isUpperCase(unit.charAt(0));
            int power = PREFIXES.indexOf(unit.toLowerCase(Locale.ROOT)) + 1;
            bytes = bytes.multiply(BigDecimal.valueOf(binary ? 1024 : 1000).pow(power));
        }
        if (bytes.compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) > 0) {
            throw new TypeConversionException("'" + text + "' is more bytes than any machine has");
        }
        return bytes.longValue();
    }
}
