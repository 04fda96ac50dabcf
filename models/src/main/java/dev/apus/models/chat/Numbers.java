package dev.apus.models.chat;

import java.math.BigDecimal;
import java.math.BigInteger;
import org.jspecify.annotations.Nullable;

/** Python's arithmetic: ints grow beyond 64 bits (up to a limit), floor division, modulo with the divisor's sign. */
final class Numbers {
    /** Digits of the largest int. Python itself refuses to print ints of more than 4,300 digits. */
    static final int MAX_DIGITS = 1000;

    private static final int MAX_BITS = MAX_DIGITS * 10 / 3;

    private Numbers() {}

    static boolean isInt(Object value) {
        return value instanceof Long || value instanceof BigInteger || value instanceof Boolean;
    }

    static boolean isNumber(Object value) {
        return isInt(value) || value instanceof Double;
    }

    /** The int in its shortest form. */
    static Object of(BigInteger value) {
        if (value.bitLength() < Long.SIZE) {
            return value.longValue();
        }
        if (value.bitLength() > MAX_BITS) {
            throw new JinjaError("OverflowError: an integer of more than " + MAX_DIGITS + " digits");
        }
        return value;
    }

    static BigInteger big(Object value) {
        return switch (value) {
            case BigInteger b -> b;
            case Long l -> BigInteger.valueOf(l);
            case Boolean b -> b ? BigInteger.ONE : BigInteger.ZERO;
            default ->
                throw JinjaError.type(
                        "'" + PythonText.typeName(value) + "' object cannot be interpreted as an integer");
        };
    }

    /** An int that fits an index or a count. */
    static int index(Object value) {
        long clamped = longIndex(value);
        return Math.clamp(clamped, -Integer.MAX_VALUE, Integer.MAX_VALUE);
    }

    static long longIndex(Object value) {
        if (value instanceof Long l) {
            return l;
        }
        if (value instanceof Undefined u) {
            throw u.error();
        }
        BigInteger big = big(value);
        if (big.bitLength() < Long.SIZE) {
            return big.longValue();
        }
        return big.signum() < 0 ? Long.MIN_VALUE : Long.MAX_VALUE;
    }

    static double asDouble(Object value) {
        return switch (value) {
            case Double d -> d;
            case Long l -> l;
            case Boolean b -> b ? 1 : 0;
            case BigInteger b -> bounded(b.doubleValue());
            default -> throw JinjaError.type("must be real number, not " + PythonText.typeName(value));
        };
    }

    private static double bounded(double value) {
        if (Double.isInfinite(value)) {
            throw new JinjaError("OverflowError: int too large to convert to float");
        }
        return value;
    }

    /** {@code left operator right} for two numbers, null if they are not both numbers. */
    static @Nullable Object binary(String operator, Object left, Object right) {
        if (left instanceof Long a && right instanceof Long b) {
            Object quick = quick(operator, a, b);
            if (quick != null) {
                return quick;
            }
        }
        if (!isNumber(left) || !isNumber(right)) {
            return null;
        }
        if (operator.equals("/")) {
            return divide(left, right);
        }
        if (left instanceof Double || right instanceof Double) {
            return floating(operator, asDouble(left), asDouble(right));
        }
        return integer(operator, big(left), big(right));
    }

    private static @Nullable Object quick(String operator, long a, long b) {
        return switch (operator) {
            case "+" -> {
                long sum = a + b;
                yield ((a ^ sum) & (b ^ sum)) < 0 ? null : (Object) sum;
            }
            case "-" -> {
                long difference = a - b;
                yield ((a ^ b) & (a ^ difference)) < 0 ? null : (Object) difference;
            }
            case "%" -> b == 0 ? null : (Object) Math.floorMod(a, b);
            default -> null;
        };
    }

    private static Object divide(Object left, Object right) {
        double divisor = asDouble(right);
        if (divisor == 0) {
            throw zero("division by zero");
        }
        return asDouble(left) / divisor;
    }

    private static JinjaError zero(String message) {
        return new JinjaError("ZeroDivisionError: " + message);
    }

    private static Object integer(String operator, BigInteger a, BigInteger b) {
        return switch (operator) {
            case "+" -> of(a.add(b));
            case "-" -> of(a.subtract(b));
            case "*" -> of(a.multiply(b));
            case "//" -> of(floorDivide(a, b)[0]);
            case "%" -> of(floorDivide(a, b)[1]);
            case "**" -> power(a, b);
            default -> throw new IllegalArgumentException("no such operator: " + operator);
        };
    }

    private static BigInteger[] floorDivide(BigInteger a, BigInteger b) {
        if (b.signum() == 0) {
            throw zero("integer division or modulo by zero");
        }
        BigInteger[] result = a.divideAndRemainder(b);
        if (result[1].signum() != 0 && result[1].signum() != b.signum()) {
            result[0] = result[0].subtract(BigInteger.ONE);
            result[1] = result[1].add(b);
        }
        return result;
    }

    private static Object power(BigInteger base, BigInteger exponent) {
        if (exponent.signum() < 0) {
            return floating("**", asDouble(of(base)), asDouble(of(exponent)));
        }
        boolean trivial = base.bitLength() <= 1 && base.abs().compareTo(BigInteger.ONE) <= 0;
        if (trivial) {
            boolean odd = exponent.testBit(0);
            return exponent.signum() == 0 || (base.signum() < 0 && !odd) ? 1L : (Object) base.longValue();
        }
        if (exponent.bitLength() > 16 || (long) (base.bitLength() - 1) * exponent.intValue() > MAX_BITS) {
            throw new JinjaError("OverflowError: an integer of more than " + MAX_DIGITS + " digits");
        }
        return of(base.pow(exponent.intValue()));
    }

    private static Object floating(String operator, double a, double b) {
        return switch (operator) {
            case "+" -> a + b;
            case "-" -> a - b;
            case "*" -> a * b;
            case "//" -> floorDivide(a, b);
            case "%" -> floorMod(a, b);
            case "**" -> floatPower(a, b);
            default -> throw new IllegalArgumentException("no such operator: " + operator);
        };
    }

    private static double floorDivide(double a, double b) {
        if (b == 0) {
            throw zero("float floor division by zero");
        }
        double remainder = floorMod(a, b);
        return Math.rint((a - remainder) / b);
    }

    private static double floorMod(double a, double b) {
        if (b == 0) {
            throw zero("float modulo");
        }
        double remainder = a % b;
        if (remainder == 0) {
            return Math.copySign(0.0, b);
        }
        return remainder < 0 == b < 0 ? remainder : remainder + b;
    }

    private static double floatPower(double a, double b) {
        if (a == 0 && b < 0) {
            throw zero("0.0 cannot be raised to a negative power");
        }
        double result = Math.pow(a, b);
        if (Double.isNaN(result) && !Double.isNaN(a) && !Double.isNaN(b)) {
            throw JinjaError.type("complex numbers are not supported in chat templates");
        }
        if (Double.isInfinite(result) && !Double.isInfinite(a) && !Double.isInfinite(b)) {
            throw new JinjaError("OverflowError: (34, 'Numerical result out of range')");
        }
        return result;
    }

    static Object negative(Object value) {
        return value instanceof Double d ? (Object) (-d) : of(big(value).negate());
    }

    /** Compares two numbers exactly. A NaN is neither less, equal nor greater: then the result is null. */
    static @Nullable Integer compare(Object left, Object right) {
        if (left instanceof Long a && right instanceof Long b) {
            return Long.compare(a, b);
        }
        boolean floating = left instanceof Double || right instanceof Double;
        if (!floating) {
            return big(left).compareTo(big(right));
        }
        double a = left instanceof Double d ? d : big(left).doubleValue();
        double b = right instanceof Double d ? d : big(right).doubleValue();
        if (Double.isNaN(a) || Double.isNaN(b)) {
            return null;
        }
        if (a != b || (left instanceof Double && right instanceof Double) || Double.isInfinite(a)) {
            return a == b ? (Integer) 0 : Integer.valueOf(Double.compare(a, b));
        }
        return exact(left).compareTo(exact(right));
    }

    private static BigDecimal exact(Object value) {
        return value instanceof Double d ? new BigDecimal(d) : new BigDecimal(big(value));
    }

    /** The int that truncating the float gives. */
    static Object truncate(double value) {
        if (Double.isNaN(value)) {
            throw JinjaError.value("cannot convert float NaN to integer");
        }
        if (Double.isInfinite(value)) {
            throw new JinjaError("OverflowError: cannot convert float infinity to integer");
        }
        return of(new BigDecimal(value).toBigInteger());
    }
}
