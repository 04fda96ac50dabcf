@NullMarked
package dev.apus.server.auth;

import org.jspecify.annotations.NullMarked;
