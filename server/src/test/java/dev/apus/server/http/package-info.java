@NullMarked
package dev.apus.server.http;

import org.jspecify.annotations.NullMarked;
