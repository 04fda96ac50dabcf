/** Who may do what: API keys, their tenants, roles and quotas. Knows nothing of HTTP. */
@NullMarked
package dev.apus.server.auth;

import org.jspecify.annotations.NullMarked;
