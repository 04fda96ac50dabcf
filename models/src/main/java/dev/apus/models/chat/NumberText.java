package dev.apus.models.chat;

import java.math.BigDecimal;
import java.math.RoundingMode;

/** Floats in the formats e, f, g and % of Python's two formatters. */
final class NumberText {
    /** More digits than a double can mean; refused rather than computed. */
    static final int MAX_PRECISION = 400;

    private NumberText() {}

    /**
     * The magnitude of a float.
     *
     * @param type {@code e f g} or upper case
     * @param alternate whether {@code g} keeps trailing zeros
     */
    static String magnitude(double value, char type, int precision, boolean alternate) {
        if (precision > MAX_PRECISION) {
            throw JinjaError.value("precision too big: " + precision + ", at most " + MAX_PRECISION);
        }
        double size = Math.abs(value);
        String text;
        if (Double.isNaN(size) || Double.isInfinite(size)) {
            text = Double.isNaN(size) ? "nan" : "inf";
        } else {
            text = switch (Character.toLowerCase(type)) {
                case 'f' ->
                    new BigDecimal(size)
                            .setScale(precision, RoundingMode.HALF_EVEN)
                            .toPlainString();
                case 'e' -> exponential(size, precision);
                default -> general(size, Math.max(1, precision), alternate);
            };
        }
        return Character.isUpperCase(type) ? PythonStrings.upper(text) : text;
    }

    private static String exponential(double size, int precision) {
        BigDecimal rounded = round(size, precision + 1);
        String digits = rounded.unscaledValue().toString();
        int exponent = size == 0 ? 0 : digits.length() - 1 - rounded.scale();
        StringBuilder padded = new StringBuilder(digits);
        while (padded.length() <= precision) {
            padded.append('0');
        }
        String mantissa =
                precision == 0 ? padded.substring(0, 1) : padded.charAt(0) + "." + padded.substring(1, precision + 1);
        int power = Math.abs(exponent);
        return mantissa + (exponent < 0 ? "e-" : "e+") + (power < 10 ? "0" : "") + power;
    }

    private static BigDecimal round(double size, int digits) {
        return new BigDecimal(size).round(new java.math.MathContext(digits, RoundingMode.HALF_EVEN));
    }

    private static String general(double size, int precision, boolean alternate) {
        BigDecimal rounded = round(size, precision);
        int exponent = size == 0 ? 0 : rounded.precision() - 1 - rounded.scale();
        String text = exponent < -4 || exponent >= precision
                ? exponential(size, precision - 1)
                : rounded.setScale(Math.max(0, precision - 1 - exponent), RoundingMode.HALF_EVEN)
                        .toPlainString();
        if (alternate || text.indexOf('.') < 0) {
            return text;
        }
        int e = text.indexOf('e');
        String mantissa = e < 0 ? text : text.substring(0, e);
        return PythonStrings.strip(PythonStrings.strip(mantissa, "0", false, true), ".", false, true)
                + (e < 0 ? "" : text.substring(e));
    }
}
