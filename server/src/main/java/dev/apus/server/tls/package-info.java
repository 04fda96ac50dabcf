/** TLS: certificates and keys from PEM files, and their renewal while the server runs. */
@NullMarked
package dev.apus.server.tls;

import org.jspecify.annotations.NullMarked;
