package dev.apus.server.http;

import dev.apus.scheduler.Tenant;
import dev.apus.server.auth.Admission;
import dev.apus.server.auth.ApiKey;
import dev.apus.server.auth.KeyRing;
import dev.apus.server.auth.Principal;
import dev.apus.server.auth.QuotaException;
import dev.apus.server.auth.Quotas;
import dev.apus.server.auth.Role;
import dev.apus.server.batch.Batch.Owner;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import java.time.Clock;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Who sends a request, and whether he may. The decision hangs on the route that would answer, never on the text of a path, so that no
 * way to write a path passes it; what has no route needs a key like all else. Thread-safe.
 */
final class Access {
    private static final String REALM = "Bearer realm=\"apus\"";
    /** Names under which clients send keys in a query: such end up in logs of proxies and in histories of browsers. */
    private static final Pattern KEY_IN_QUERY =
            Pattern.compile("(?i)(^|&)(api[_-]?key|x-api-key|key|access[_-]?token|token|authorization)=");

    private final Supplier<KeyRing> keys;
    private final Quotas quotas = new Quotas(System::nanoTime);
    private final Principal anyone;
    private final String model;
    private final Clock clock;

    /**
     * @param keys the keys of the moment
     * @param local whether only this machine reaches the server: then those without a key may do all while there are no keys
     * @param model name of the model served
     */
    Access(Supplier<KeyRing> keys, boolean local, String model, Clock clock) {
        this.keys = keys;
        this.model = model;
        this.clock = clock;
        anyone = local
                ? Principal.of(Principal.NO_KEY, Role.ADMIN)
                : Principal.of(Principal.NO_KEY, Role.INFERENCE, Role.MONITOR);
    }

    /** Whether a request needs a key now. */
    boolean needsKeys() {
        return keys.get().guards();
    }

    /**
     * Finds who sends the request and sets it as the exchange's principal.
     *
     * @param needs what the route asks for; {@link Route.Needs#KEY} where there is no route
     * @throws ApiException 401 without a valid key, 403 if its roles or models do not suffice
     */
    void check(Exchange exchange, Route.Needs needs) {
        if (needs == Route.Needs.NOTHING) {
            return;
        }
        Principal principal;
        try {
            principal = identify(exchange.headers());
        } catch (ApiException e) {
            boolean none = "missing_api_key".equals(e.code());
            exchange.header("www-authenticate", none ? REALM : REALM + ", error=\"invalid_token\"");
            String query = exchange.query();
            throw KEY_IN_QUERY.matcher(query).find() ? keyInQuery() : e;
        }
        exchange.principal(principal);
        require(principal, needs);
        exchange.authorised();
    }

    /** Who sends a request with these headers; without keys, anyone. @throws ApiException 401 without a valid key */
    Principal identify(HttpHeaders headers) {
        return identify(headers.getAll(HttpHeaderNames.AUTHORIZATION), headers.getAll("x-api-key"));
    }

    /**
     * As {@link #identify(HttpHeaders)}, from all values of the two fields.
     *
     * @param authorization {@code Bearer KEY}, as OpenAI's clients send it; it goes before the other
     * @param apiKey the key alone, as Anthropic's clients send it
     */
    Principal identify(List<String> authorization, List<String> apiKey) {
        KeyRing ring = keys.get();
        if (!ring.guards()) {
            return anyone;
        }
        // Two servers could choose differently between two.
        if (authorization.size() > 1 || apiKey.size() > 1) {
            throw invalid("a request must have one key, not several");
        }
        String secret = authorization.isEmpty() ? null : bearer(authorization.getFirst());
        if (secret == null && !apiKey.isEmpty()) {
            secret = apiKey.getFirst().strip();
        }
        if (secret == null || secret.isEmpty()) {
            throw new ApiException(
                    401,
                    "this server needs an API key: send it as 'Authorization: Bearer KEY' or 'x-api-key: KEY'",
                    null,
                    "missing_api_key",
                    0);
        }
        ApiKey key = ring.find(secret);
        if (key == null) {
            throw invalid("the API key is not one of this server's");
        }
        if (!key.isValid(clock.instant())) {
            throw invalid(
                    key.disabled() ? "the API key has been revoked" : "the API key has expired on " + key.expires());
        }
        return key.principal();
    }

    /**
     * On whose behalf a batch runs now: its key if that is still valid, else another of its tenant with the models of the batch's.
     *
     * @return null if the tenant has no valid key any more
     */
    @Nullable
    Principal actingFor(Owner owner) {
        KeyRing ring = keys.get();
        if (!ring.guards()) {
            return anyone.tenant().equals(owner.tenant()) ? anyone : null;
        }
        Principal found = ring.actingFor(owner.tenant(), owner.key(), Role.INFERENCE, clock.instant());
        return found == null || found.key().equals(owner.key())
                ? found
                : new Principal(owner.key(), owner.tenant(), found.roles(), owner.models(), found.terms());
    }

    /** Counts the tokens of work that no client waits for. @throws QuotaException if the tenant has none left for now */
    Admission admitInBackground(Principal principal) {
        return quotas.enterInBackground(principal);
    }

    /** @throws ApiException 403 if the roles or models of the principal do not suffice */
    void require(Principal principal, Route.Needs needs) {
        Role role = needs.role();
        if (role != null && !principal.has(role)) {
            throw new ApiException(403, missing(principal, role), null, "missing_role", 0);
        }
        if (role == Role.INFERENCE && !principal.mayUse(model)) {
            throw modelNotAllowed(principal, model);
        }
    }

    /** Names what is there and what is needed, and how to come by it. */
    private static String missing(Principal principal, Role role) {
        String needed = "the role '" + role.word() + "'" + (role == Role.ADMIN ? "" : " (or 'admin')");
        if (principal.hasNoKey()) {
            return "this route needs a key with " + needed
                    + ", and the server was started without keys: start it with --admin-api-key or --api-keys-file";
        }
        String roles = principal.roles().stream().sorted().map(Role::word).collect(Collectors.joining(", "));
        return "the API key '" + principal.key() + "' has the roles [" + roles + "], this route needs " + needed
                + ": use a key made with 'apus keys create FILE --role " + role.word()
                + "', or add the role in the keys file"
                + (role == Role.ADMIN ? ", or use one of --admin-api-key" : "");
    }

    static ApiException modelNotAllowed(Principal principal, String model) {
        return new ApiException(
                403,
                "the API key '" + principal.key() + "' may not use the model '" + model + "'",
                "model",
                "model_not_allowed",
                0);
    }

    /**
     * Counts a request that makes the engine work against its tenant's limits, and tells these in the answer.
     *
     * @throws QuotaException if they are reached
     */
    Admission admit(Exchange exchange) {
        try {
            Admission admission = quotas.enter(exchange.principal());
            exchange.admission(admission);
            RateLimits.tell(exchange, admission.standing());
            return admission;
        } catch (QuotaException e) {
            RateLimits.tell(exchange, quotas.standing(exchange.principal()));
            throw e;
        }
    }

    static ApiException rateLimited(QuotaException e) {
        return new ApiException(
                429, String.valueOf(e.getMessage()), null, "rate_limit_exceeded", e.retryAfterSeconds());
    }

    /** On whose account the engine works for the exchange. */
    static Tenant tenantOf(Exchange exchange) {
        Principal principal = exchange.principal();
        return new Tenant(
                principal.tenant(),
                principal.terms().weight(),
                principal.terms().kvShare());
    }

    private static @Nullable String bearer(String value) {
        int space = value.indexOf(' ');
        return space > 0 && value.substring(0, space).toLowerCase(Locale.ROOT).equals("bearer")
                ? value.substring(space + 1).strip()
                : null;
    }

    private static ApiException invalid(String message) {
        return new ApiException(401, message, null, "invalid_api_key", 0);
    }

    private static ApiException keyInQuery() {
        return new ApiException(
                401,
                "API keys are not taken from the query, where logs keep them: send 'Authorization: Bearer KEY', and"
                        + " consider the key that was sent as known to others",
                null,
                "api_key_in_query",
                0);
    }
}
