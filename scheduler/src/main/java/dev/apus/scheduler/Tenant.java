package dev.apus.scheduler;

/**
 * On whose account a request runs. The engine is fair between tenants: each that has work gets a share of the computed tokens in proportion
 * to its weight, however many requests the others send. Immutable; two of the same name are the same tenant, with the values that came last.
 *
 * @param name what it is called in statistics; at most {@value #MOST_NAME} characters
 * @param weight its share relative to the others', above 0; 1 is usual
 * @param kvShare most of the KV cache that its requests may hold while other tenants wait, above 0, at most 1
 */
public record Tenant(String name, double weight, double kvShare) {
    /** Longer names would only make logs and metrics unreadable. */
    public static final int MOST_NAME = 128;
    /** Whose name nobody gave. */
    public static final Tenant DEFAULT = new Tenant("default", 1, 1);

    /** @throws IllegalArgumentException naming what is out of range */
    public Tenant {
        if (name.isEmpty() || name.length() > MOST_NAME) {
            throw new IllegalArgumentException(
                    "the tenant's name has " + name.length() + " characters, must have 1 to " + MOST_NAME);
        }
        if (!(weight > 0) || Double.isInfinite(weight)) {
            throw new IllegalArgumentException(
                    "the weight of tenant '" + name + "' is " + weight + ", must be above 0 and finite");
        }
        if (!(kvShare > 0 && kvShare <= 1)) {
            throw new IllegalArgumentException("the share of the KV cache of tenant '" + name + "' is " + kvShare
                    + ", must be above 0 and at most 1");
        }
    }

    /** A tenant of the usual weight whose share of the KV cache is not limited. */
    public static Tenant named(String name) {
        return new Tenant(name, 1, 1);
    }
}
