package dev.apus.models.chat;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Python's operators over template values. */
final class Operators {
    private Operators() {}

    /** bool(value). */
    static boolean truth(Object value) {
        return switch (value) {
            case Boolean b -> b;
            case String s -> !s.isEmpty();
            case None _ -> false;
            case Undefined _ -> false;
            case Long l -> l != 0;
            case Double d -> d != 0;
            case Map<?, ?> m -> !m.isEmpty();
            case List<?> l -> !l.isEmpty();
            case View v -> !v.items().isEmpty();
            case Markup m -> !m.text().isEmpty();
            case Loop l -> l.length() != 0;
            default -> true;
        };
    }

    @SuppressWarnings("ReferenceEquality") // Only a shortcut, and Python takes it too.
    static boolean equal(Object a, Object b, Budget budget) {
        budget.step();
        if (a == b) {
            return !(a instanceof Double d && d.isNaN());
        }
        Object left = plain(a);
        Object right = plain(b);
        if (left instanceof String s) {
            if (right instanceof String t && s.length() == t.length()) {
                budget.scan(s.length());
            }
            return s.equals(right);
        }
        if (Numbers.isNumber(left)) {
            return Numbers.isNumber(right) && Objects.equals(Numbers.compare(left, right), 0);
        }
        budget.enter();
        boolean same =
                switch (left) {
                    case Undefined _ -> right instanceof Undefined;
                    case List<?> l ->
                        right instanceof List<?> r && sequenceKind(l) == sequenceKind(r) && elementsEqual(l, r, budget);
                    case Map<?, ?> m -> right instanceof Map<?, ?> n && mapsEqual(m, n, budget);
                    case View v -> right instanceof View w && elementsEqual(v.items(), w.items(), budget);
                    default -> false;
                };
        budget.leave();
        return same;
    }

    private static int sequenceKind(List<?> list) {
        return list instanceof Tuple ? 1 : list instanceof PyRange ? 2 : 0;
    }

    private static boolean elementsEqual(List<?> a, List<?> b, Budget budget) {
        if (a.size() != b.size()) {
            return false;
        }
        Iterator<?> other = b.iterator();
        for (Object item : a) {
            if (!equal(item, other.next(), budget)) {
                return false;
            }
        }
        return true;
    }

    private static boolean mapsEqual(Map<?, ?> a, Map<?, ?> b, Budget budget) {
        if (a.size() != b.size()) {
            return false;
        }
        for (Map.Entry<?, ?> entry : a.entrySet()) {
            Object other = Dicts.find(b, entry.getKey(), budget);
            if (other == null || !equal(entry.getValue(), other, budget)) {
                return false;
            }
        }
        return true;
    }

    /** A string in place of marked text. */
    static Object plain(Object value) {
        return value instanceof Markup m ? m.text() : value;
    }

    /** {@code a operator b} for the operators {@code == != < <= > >= in}, {@code not in}. */
    static boolean compare(String operator, Object a, Object b, Budget budget) {
        return switch (operator) {
            case "==" -> equal(a, b, budget);
            case "!=" -> !equal(a, b, budget);
            case "in" -> contains(b, a, budget);
            case "not in" -> !contains(b, a, budget);
            default -> {
                Integer order = order(operator, plain(a), plain(b), budget);
                yield order != null
                        && switch (operator) {
                            case "<" -> order < 0;
                            case "<=" -> order <= 0;
                            case ">" -> order > 0;
                            default -> order >= 0;
                        };
            }
        };
    }

    /** The order of two values, null where a NaN makes them unordered. */
    private static @Nullable Integer order(String operator, Object a, Object b, Budget budget) {
        if (a instanceof String s && b instanceof String t) {
            budget.work(Math.min(s.length(), t.length()) / 64);
            return PythonStrings.compare(s, t);
        }
        if (Numbers.isNumber(a) && Numbers.isNumber(b)) {
            return Numbers.compare(a, b);
        }
        boolean ordered = a instanceof List<?> l
                && b instanceof List<?> m
                && sequenceKind(l) == sequenceKind(m)
                && sequenceKind(l) != 2;
        if (!ordered) {
            throw a instanceof Undefined u
                    ? u.error()
                    : b instanceof Undefined u
                            ? u.error()
                            : JinjaError.type("'" + operator + "' not supported between instances of '"
                                    + PythonText.typeName(a) + "' and '" + PythonText.typeName(b) + "'");
        }
        budget.enter();
        Integer result = orderLists(operator, (List<?>) a, (List<?>) b, budget);
        budget.leave();
        return result;
    }

    private static @Nullable Integer orderLists(String operator, List<?> a, List<?> b, Budget budget) {
        for (int i = 0; i < Math.min(a.size(), b.size()); i++) {
            if (!equal(a.get(i), b.get(i), budget)) {
                return order(operator, plain(a.get(i)), plain(b.get(i)), budget);
            }
        }
        return Integer.compare(a.size(), b.size());
    }

    /** Sorts as Python's stable sort does, which asks only {@code <}. */
    static <T> void sort(List<T> items, java.util.function.Function<T, Object> key, boolean reverse, Budget budget) {
        budget.elements(items.size());
        record Keyed<T>(T item, Object key) {}
        List<Keyed<T>> keyed = new ArrayList<>(items.size());
        for (T item : items) {
            keyed.add(new Keyed<>(item, key.apply(item)));
        }
        keyed.sort((x, y) -> {
            budget.step();
            Object a = reverse ? y.key() : x.key();
            Object b = reverse ? x.key() : y.key();
            Integer order = order("<", plain(a), plain(b), budget);
            return order == null ? 0 : order;
        });
        for (int i = 0; i < items.size(); i++) {
            items.set(i, keyed.get(i).item());
        }
    }

    static boolean less(Object a, Object b, Budget budget) {
        return compare("<", a, b, budget);
    }

    static boolean contains(Object container, Object item, Budget budget) {
        if (plain(container) instanceof String s) {
            if (!(plain(item) instanceof String part)) {
                throw JinjaError.type(
                        "'in <string>' requires string as left operand, not " + PythonText.typeName(item));
            }
            budget.search(s.length(), part.length());
            return s.contains(part);
        }
        if (container instanceof Map<?, ?> m) {
            Dicts.requireHashable(item, budget);
            return Dicts.find(m, item, budget) != null;
        }
        Iterator<Object> items = Iteration.over(container, budget);
        while (items.hasNext()) {
            if (equal(items.next(), item, budget)) {
                return true;
            }
        }
        return false;
    }

    /** {@code left operator right} for the arithmetic operators. */
    static Object binary(String operator, Object left, Object right, Budget budget) {
        Object number = Numbers.binary(operator, left, right);
        if (number != null) {
            return number;
        }
        Object special = left instanceof Undefined || right instanceof Undefined
                ? null
                : switch (operator) {
                    case "+" -> add(left, right, budget);
                    case "*" -> multiply(left, right, budget);
                    case "%" -> modulo(left, right, budget);
                    default -> null;
                };
        if (special != null) {
            return special;
        }
        if (left instanceof Undefined u) {
            throw u.error();
        }
        if (right instanceof Undefined u) {
            throw u.error();
        }
        if (operator.equals("+") && left instanceof String) {
            throw JinjaError.type("can only concatenate str (not \"" + PythonText.typeName(right) + "\") to str");
        }
        throw JinjaError.type("unsupported operand type(s) for " + operator + ": '" + PythonText.typeName(left)
                + "' and '" + PythonText.typeName(right) + "'");
    }

    private static @Nullable Object add(Object left, Object right, Budget budget) {
        if (left instanceof String a && right instanceof String b) {
            budget.text((long) a.length() + b.length());
            return a.concat(b);
        }
        if (left instanceof Markup || right instanceof Markup) {
            return addMarkup(left, right, budget);
        }
        if (left instanceof List<?> a && right instanceof List<?> b) {
            if (sequenceKind(a) != sequenceKind(b) || a instanceof PyRange) {
                return null;
            }
            budget.elements((long) a.size() + b.size());
            List<Object> sum = new ArrayList<>(a.size() + b.size());
            sum.addAll(a);
            sum.addAll(b);
            return a instanceof Tuple ? new Tuple(sum) : sum;
        }
        return null;
    }

    private static @Nullable Object addMarkup(Object left, Object right, Budget budget) {
        String a = safeText(left);
        String b = safeText(right);
        if (a == null || b == null) {
            return null;
        }
        budget.text((long) a.length() + b.length());
        return new Markup(a.concat(b));
    }

    private static @Nullable String safeText(Object value) {
        return value instanceof Markup m ? m.text() : value instanceof String s ? Markup.escape(s) : null;
    }

    private static @Nullable Object multiply(Object left, Object right, Budget budget) {
        if (Numbers.isInt(left) && !Numbers.isInt(right)) {
            return multiply(right, left, budget);
        }
        if (!Numbers.isInt(right)) {
            return null;
        }
        int times = Math.max(0, Numbers.index(right));
        return switch (left) {
            case String s -> {
                budget.text((long) s.length() * times);
                yield s.isEmpty() ? s : s.repeat(times);
            }
            case Markup m -> {
                budget.text((long) m.text().length() * times);
                yield new Markup(m.text().isEmpty() ? "" : m.text().repeat(times));
            }
            case PyRange _ -> null;
            case List<?> l -> {
                budget.elements((long) l.size() * times);
                List<Object> product = new ArrayList<>(l.size() * times);
                for (int i = 0; i < times && !l.isEmpty(); i++) {
                    product.addAll(l);
                }
                yield l instanceof Tuple ? new Tuple(product) : product;
            }
            default -> null;
        };
    }

    private static @Nullable Object modulo(Object left, Object right, Budget budget) {
        return switch (left) {
            case String s -> new PercentFormat(s, right, false, budget).format();
            case Markup m -> new Markup(new PercentFormat(m.text(), right, true, budget).format());
            default -> null;
        };
    }
}
