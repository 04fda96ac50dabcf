package dev.apus.models.chat;

/** A built-in function or a bound method. */
record Function(String description, java.util.function.Function<Arguments, Object> body) implements Callable {
    @Override
    public Object call(Arguments arguments) {
        return body.apply(arguments);
    }

    @Override
    public String describe() {
        return description;
    }
}
